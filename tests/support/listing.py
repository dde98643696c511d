"""A caller's edits, all of its pages one after another."""

from core.store.edits import EditStore


def listed(store: EditStore, caller: str, *, before: str | None = None) -> list[str]:
    """Return the ids of the caller's edits, the newest first; only those older than `before`."""
    ids: list[str] = []
    while True:
        page = store.page(caller, before=before, limit=100)
        ids += [record.submission.id for record in page.records]
        before = page.continue_after
        if before is None:
            return ids
