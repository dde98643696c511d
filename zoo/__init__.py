"""The small world of the bundled model, in which the right answer to every edit is known.

samples/    ten pictures with a target text each and the exact answer, rendered by the world's
            prototype from scenes that no training has seen; `index.json` says what they show

The renderer, the training of the model (baret/models/zoo) and the benchmark have their place here.
"""
