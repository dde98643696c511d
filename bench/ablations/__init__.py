"""The effect of each choice in the method, on edits whose exact answer is known.

    python -m bench.ablations all --split tuning --limit 24

variants      the shipped edit with switches that the product does not have
convergence   the paper's TTIS from three texts, and null-text inversion: error by inner step
studies       the questions, and the settings that answer them
report        plots, figures and a page for each study
"""
