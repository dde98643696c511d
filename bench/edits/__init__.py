"""Edits whose exact answer is known: BARET and its peers on the same weights, pictures and texts.

    python -m bench.edits --tune --split tuning      find every method's best setting
    python -m bench.edits --split benchmark          the 200 held-out edits, to be run once

cases         pictures, texts, exact answers and masks
model         a batched view of Stable Diffusion, and what a method cost
lockstep      several generators of `baret` at once
attention     what peers change in the UNet's attention
sampling      guided DDIM and embedding tuning, batched
methods       the registry; ours and peers/ are the methods
metrics       what is measured of a picture; statistics: over many
store, run    results by case, kept and resumed; tuned: each method's best setting
report        tables, plots and contact sheets
"""
