"""Run the GPU process with the settings of the environment: `python -m worker`."""

import time

from core.settings import read_settings

if __name__ == "__main__":
    started = time.monotonic()
    about = "Load the models, keep them in memory, and run the edits that wait for them."
    settings = read_settings("worker", about)
    # Only now, as it imports torch: `--help` and a wrong setting are answered at once.
    from worker.process import Factories, serve

    serve(settings, Factories(), started=started)
