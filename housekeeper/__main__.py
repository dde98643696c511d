"""Run the housekeeper: `python -m housekeeper`."""

import asyncio

from core.settings import read_settings
from housekeeper.maintenance import main

if __name__ == "__main__":
    about = "Reclaim edits of lost workers, send webhooks, delete what has expired."
    asyncio.run(main(read_settings("housekeeper", about)))
