"""Measurements of the running product, each one command against a service that runs.

contact_sheet   the ten sample edits through HTTP, as a sheet to look at
residency       the model stays loaded, the memory stays flat
service         what both need: an edit through HTTP, seen to its end
"""
