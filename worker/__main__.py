"""Run the GPU process with the settings of the environment: `python -m worker`."""

import sys
import time

from core.settings import read_settings
from core.store.admission import check_admission

if __name__ == "__main__":
    started = time.monotonic()
    about = "Load the models, keep them in memory, and run the edits that wait for them."
    settings = read_settings("worker", about)
    try:
        check_admission(settings.broker_url)
    except RuntimeError as error:
        sys.exit(str(error))
    # Only now, as it imports torch: `--help` and a wrong setting are answered at once.
    from worker.process import Factories, serve

    serve(settings, Factories(), started=started)
