"""The speed of an edit, alone and among others, on this machine: `python -m bench.speed --help`.

command          the command line
plan             what is measured: options, model and images
random_weights   Stable Diffusion 1.5's architecture with random weights
machine          its name, its memory, its fastest matrix product
flops            the FLOP of one row of the UNet
repeats          medians and ratios of repeated measurements
stages           the stages of a single edit
comparison       other forms of the edit, and peers, compared with the default edit
concurrency      many edits started at the same moment
contention       a short edit that starts while long ones run
report           the page and the JSON
"""
