"""How fast an edit is, alone and among others, on this machine: `python -m bench.speed --help`.

command          the command line
plan             what is measured: options, model and pictures
random_weights   Stable Diffusion 1.5's architecture without its weights
machine          its name, its memory, what it multiplies matrices at
flops            what a row of the UNet costs
spread           medians, ratios round by round, tables
stages           where a lone edit spends its time
race             forms of an edit, and peers, against the default edit
together         many edits at the same moment
fairness         a short edit behind long ones
report           all of it as a page and as JSON
"""
