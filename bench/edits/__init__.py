"""Edits whose exact answer is known: BARET and its peers on the same weights, images and texts.

    python -m bench.edits --tune --split tuning      find the best settings of every method
    python -m bench.edits --split benchmark          the 200 held-out edits, to be run once

To add a peer: write it in a file of `peers/`, add it with six settings to `methods.METHODS`, and
find the best of them with `--tune`, which writes tuned.json.

cases           images, texts, exact answers and masks
batch           what a method receives and returns
methods         the table of all methods with the settings that are tried
baret_editor    BARET; peers/ holds the others
model           Stable Diffusion on batches, with a count of its cost
lockstep        several generators of `baret` answered together
attention       the changes that peers make to the UNet's attention
sampling        guided DDIM and embedding tuning on batches
metrics         the quality of one edited image against the exact answer
valid_answer    the answer nearest to an edited image among all that the text allows
appearance      faults that the eye sees: bad drawing, ghosts, lost background, seams
realism         a classifier that tells pictures of the small world from edits
criteria        when an edit is right; `calibrate` holds that against people's ratings
evaluation      a method on all cases; `results` stores what is done, so that a run resumes
tuned           the best settings of each method
tables, plots, sheets, report    the pages, figures and contact sheets
"""
