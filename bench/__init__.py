"""Measurements of the running product and of the method, each one command.

contact_sheet   the ten sample edits through HTTP, as a sheet
residency       the model stays loaded, the memory stays flat
large_model     an edit on a model of Stable Diffusion 1.5's size with random weights
"""
