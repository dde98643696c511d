"""Benchmarks; each one is a command, `python -m bench.NAME`.

edits           BARET and its peers on edits whose exact answer is known
ablations       the effect of each choice in the method, on the same edits
detail          the parameter `detail` on pictures larger than the model, drawn exactly
photos          TEDBench and PIE-Bench with their published metrics
speed           seconds, FLOP/s and ratios of one edit and of concurrent edits on this machine
http_load       the cost of requests and event streams, before any edit is made
service         the running service: its overhead, its memory, and a contact sheet of ten edits
common          code that several benchmarks share

speed_on_gpu.sh   speed on a CUDA device
zoo_on_gpu.sh     trains the zoo's model at 128×128 on a CUDA device
"""
