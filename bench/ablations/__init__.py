"""What each choice in the method is worth, on edits whose exact answer is known.

    python -m bench.ablations all --split tuning --limit 24

variants      the shipped edit with the switches that it does not ship
convergence   TTIS from the target text, from the empty text, and null-text: error by inner step
studies       the questions, and the settings that answer them
report        a plot, figures and a place for two sentences each
"""
