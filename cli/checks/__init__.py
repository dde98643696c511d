"""What `baret doctor` looks at. Every check returns findings, and raises nothing.

findings   what a check found
machine    Python, packages, memory, disk
device     torch and the GPU; importing it loads torch
service    Redis, its clock, the image storage
server     a server, from outside
"""
