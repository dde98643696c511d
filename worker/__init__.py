"""The GPU process: it claims edits from the store, runs the method and publishes the results.

process           load a model, then serve
residency         which of several models are loaded, and whose turn it is
model_loader      loading a model beside others
model_turns       the fair order of models
slots             a worker's place for a model, and its state
celery_app        the Celery task, its signals and the worker's options
runner            one edit from its claim to its published result; knows no Celery
attempt           one run of an edit: checks, progress, waiting for a store that does not answer
options           service parameters to method options, method hints to service warnings
outputs           encoding the images that an edit made
heartbeat         the thread that renews an attempt's lease
isolation         runs an edit that has lost a worker before alone
inversion_cache   inversions stored for later edits of the same image
announcer         announces this model to the front end
errors            exceptions as a failed edit's `error`
metrics           Prometheus metrics of the UNet
"""

import os

# transformers reads this when it is imported. Its hints on optional packages do not belong in a
# service's log.
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
