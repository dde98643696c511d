"""The GPU process: it takes edits from the store, runs the method and hands the pictures in.

service       loads the model, then consumes (Celery, threads)
runner        one edit, from claim to published result; knows no Celery
door          many edits at once, or one that has lost a worker before alone
lease         keeps an attempt's lease alive while it works
pictures      results encoded as they were asked for
problems      what went wrong, as a failed edit's `error`
announcer     tells the front end that this model has a live worker
housekeeper   its own process, without torch: lost workers, lost messages, webhooks
deliverer     webhooks on their way, many at once
delivery      one webhook's attempt (Standard Webhooks)
hook_body     what a webhook says
"""

import os

# Read when transformers is imported: its remarks on optional packages are no service's log.
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
