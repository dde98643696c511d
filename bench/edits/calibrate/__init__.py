"""Calibration: when *right* agrees with people who rated edits without knowing the methods.

    python -m bench.edits.calibrate RATINGS.csv

ratings      the answers, and the image that each is about
agreement    how often *right* and *joint* agree with them
sweep        the limits that agree best, cross-validated over edits
"""
