"""Realism: whether an image looks like a picture of the small world, whatever it shows.

A small classifier tells pictures of the world, as the VAE gives them, from edits by many methods.

    python -m bench.edits.realism     make the examples, train and store it for one model

classifier    the network, its stored weights and the model that they are for
examples      real pictures and edits, of scenes that nothing else uses
training      the training, and what it reached on held-out scenes
"""
