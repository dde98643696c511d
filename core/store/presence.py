"""Who works on what now, as Redis knows it."""

from typing import Any

from core.store import keys


def redis_now(client: Any) -> float:
    """Redis's clock, in seconds: the one that leases, queues and presence are by."""
    seconds, microseconds = client.time()
    return float(seconds) + float(microseconds) / 1e6


def serving(client: Any) -> list[str]:
    """The models that living workers serve, one name a worker."""
    living = client.zrange(keys.WORKERS, redis_now(client), "+inf", byscore=True)
    return [model for member in living if (model := member.partition(" ")[2])]


def running(client: Any) -> list[str | None]:
    """The models of the edits that run, one name an edit; None of one that was just deleted."""
    with client.pipeline(transaction=False) as together:
        for edit_id in client.zrange(keys.RUNNING, 0, -1):
            together.hget(keys.edit(edit_id), "model")
        found: list[str | None] = together.execute()
    return found
