"""Code that several benchmarks share.

arguments    argument types of the command lines
processor    the name of the CPU
device       the torch device to run on, and its name
statistics   means with bootstrapped intervals
markdown     tables
files        reports and other files, written whole or not at all
"""
