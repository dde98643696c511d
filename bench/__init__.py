"""Measurements, each one command.

contact_sheet   the ten sample edits through HTTP, as a sheet to look at
residency       the model stays loaded, the memory stays flat
service         what both need: an edit through HTTP, seen to its end
edits           BARET and its peers on edits whose exact answer is known
ablations       what each choice in the method is worth, on the same edits
photos          TEDBench and PIE-Bench with their published metrics
front_door      what a request and an event stream cost before any edit is made
speed           seconds, FLOP/s and ratios of an edit alone and among others, on this machine
speed_on_gpu.sh the same on a CUDA device
processor       what the machine's processor is called
zoo_on_gpu.sh   training the zoo's model at 128×128 on a CUDA device
"""
