"""Reading stored images, few at a time: each may have many megabytes."""

from starlette.concurrency import run_in_threadpool

from api.services import Services


async def load_image(services: Services, edit_id: str, name: str, *, share: str) -> bytes | None:
    """Return a stored image in its turn, or None if it does not exist.

    Raises:
        RateLimited, Overloaded: too many wait already.
        StoreUnavailable: the image storage does not answer.
    """
    async with services.shares.downloads.slot(share):
        return await run_in_threadpool(services.images.get, edit_id, name)
