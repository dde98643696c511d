"""Photographs with the published datasets and metrics: `python -m bench.photos --help`.

command     the command line
datasets    TEDBench and PIE-Bench as they are published, as tasks
methods     what edits: BARET, and plain DDIM inversion with the target text
judge       all scores of one edit; clip, structure, lpips and pixels are its metrics
run         every task with every method, resumed where it was left
report      means with intervals, docs/benchmarks/photos.md and its figures
sheet       a contact sheet

Another method is a class with what `methods.Method` asks for, and a line in `methods.METHODS`.
"""
