"""Run the housekeeper: `python -m housekeeper`."""

import asyncio

from housekeeper.maintenance import main

if __name__ == "__main__":
    asyncio.run(main())
