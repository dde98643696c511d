"""Photographs with the published datasets and metrics: `python -m bench.photos --help`.

command         the command line
datasets        TEDBench and PIE-Bench as published, as tasks
methods         the methods: BARET, and DDIM inversion with the target text
judge           all scores of one edit
clip, structure, lpips, pixel_metrics    the metrics
run             every task with every method; a stopped run resumes
report          means with intervals, docs/benchmarks/photos.md and its figures
sheet           a contact sheet

To add a method, write a class with the members of `methods.Method` and add it to `methods.METHODS`.
"""
