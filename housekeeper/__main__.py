"""Run the housekeeper: `python -m housekeeper`."""

import asyncio
import sys

from core.settings import read_settings
from core.store.admission import check_admission
from housekeeper.maintenance import main

if __name__ == "__main__":
    about = "Reclaim edits of lost workers, send webhooks, delete what has expired."
    settings = read_settings("housekeeper", about)
    try:
        check_admission(settings.broker_url)
    except RuntimeError as error:
        sys.exit(str(error))
    asyncio.run(main(settings))
