"""Callers who fill the queue together, and one who comes later."""

import asyncio
from collections import Counter
from collections.abc import Callable

import httpx

from core.access.api_keys import ApiKey
from core.schema import Model
from core.settings import Settings
from core.store.edits import EditStore
from tests.security.tally import Tally
from tests.support.api_app import keys, make_key, serving, settings

__all__ = ["keys", "make_key", "settings"]

MakeKey = Callable[..., tuple[dict[str, str], ApiKey]]

ATTACKERS, EACH, PLACES = 9, 8, 40


async def flood(address: str, headers: dict[str, str], image: bytes) -> Counter[str]:
    """Send edits until the queue takes no more; count the answers."""
    found: Counter[str] = Counter()
    dear = {"prompt": "a cat", "inner_steps": "50", "num_inference_steps": "100"}
    async with httpx.AsyncClient(
        base_url=address, timeout=120, trust_env=False, headers=headers
    ) as client:
        for _ in range(EACH):
            answer = await client.post("/v1/edits", data=dear, files={"image": image})
            found[answer.json().get("code", "accepted")] += 1
    return found


def test_nine_callers_who_fill_the_queue_keep_the_tenth_neither_out_nor_waiting(
    settings: Settings,
    store: EditStore,
    model: Model,
    make_key: MakeKey,
    make_image: Callable[[], bytes],
    tally: Tally,
) -> None:
    store.announce("worker-1", model)
    attackers = [make_key(f"attacker {n}")[0] for n in range(ATTACKERS)]
    tenth, key = make_key("tenth")
    image = make_image()

    async def attack(address: str) -> Counter[str]:
        floods = [flood(address, headers, image) for headers in attackers]
        return sum(await asyncio.gather(*floods), Counter())

    with serving(settings.model_copy(update={"queue_limit": PLACES})) as address:
        found = asyncio.run(attack(address))
        answer = httpx.post(
            f"{address}/v1/edits",
            data={"prompt": "a cat"},
            files={"image": image},
            headers=tenth,
            timeout=120,
        )
    assert found == {"accepted": PLACES, "queue_full": ATTACKERS * EACH - PLACES}
    tally.count("callers who fill the queue", "served", found["accepted"])
    tally.count("callers who fill the queue", "refused", found["queue_full"])
    assert answer.status_code == 202
    assert answer.json()["queue_position"] <= ATTACKERS
    claimed = [store.claim("zoo") for _ in range(ATTACKERS + 1)]
    callers = [store.get(claim.id).submission.caller for claim in claimed if claim]
    assert key.caller in callers
