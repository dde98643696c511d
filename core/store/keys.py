"""Names of the keys in Redis: the one place that spells them, for Python and for the Lua scripts.

`lua_definitions` hands every name to the scripts: `EXPIRING` is `expiring_key` there, and
`edit(id)` is `edit_key(id)`. A name or a value never changes its meaning: a Redis filled by an
earlier version is still served (tests/core/store/test_recorded_dump.py).

Celery's queues are not among them: `core.broker.app.queue_name`.
"""

from collections.abc import Callable

PREFIX = "baret:"  # of every key

# --- edits

RUNNING = "baret:running"  # sorted set: id → end of its lease, ms
EXPIRING = "baret:expiring"  # sorted set: ended edit → when it expires, ms
IMAGE_BYTES = "baret:image_bytes"  # hash: caller → bytes of the images stored for its edits
RECORD_BYTES = "baret:record_bytes"  # hash: caller → bytes that its edits take in Redis
PREFIX_BYTES = "baret:prefix_bytes"  # hash: prefix of stored images → `<bytes> <caller>`
TURN_CLOCKS = "baret:turn_clocks"  # hash: model → turn of the edit that was claimed last
BATCH_TURN_CLOCKS = "baret:batch_turn_clocks"  # hash: the same of batch edits
IN_A_ROW = "baret:in_a_row"  # hash: model → interactive edits claimed since a batch edit waits
BATCHES_DUE = "baret:batches_due"  # sorted set: caller → when its next batch edits are queued, ms
BATCHES_EXPIRING = "baret:batches_expiring"  # sorted set: batch → its deadline or expiry, ms
DELETIONS = "baret:erased"  # sorted set: prefix of stored images → when to delete them next, ms


def edit(edit_id: str) -> str:
    """Return the hash that holds an edit's record."""
    return f"baret:edit:{edit_id}"


def events(edit_id: str) -> str:
    """Return the stream of an edit's events."""
    return f"baret:events:{edit_id}"


def waiting(model: str) -> str:
    """Return the sorted set of all edits that wait for a model: id → when it was queued, ms."""
    return f"baret:waiting:{model}"


def turns(model: str) -> str:
    """Return the sorted set of interactive edits that wait for a model, in order of their turns.

    id → its turn, a virtual time in units of work (`lua/turns.lua`).
    """
    return f"baret:turns:{model}"


def turn_ends(model: str) -> str:
    """Return the sorted set of callers: caller → when its last turn ends, if that is to come."""
    return f"baret:turn_ends:{model}"


def batch_turns(model: str) -> str:
    """Return the sorted set of batch edits that wait for a model, as `turns`."""
    return f"baret:batch_turns:{model}"


def batch_turn_ends(model: str) -> str:
    """Return the sorted set of callers by when their last batch turn ends, as `turn_ends`."""
    return f"baret:batch_turn_ends:{model}"


def runs(model: str) -> str:
    """Return the list of a model's recent runs, the newest first: `<ms> <work>` each."""
    return f"baret:runs:{model}"


def listing(owner: str) -> str:
    """Return the sorted set of an owner's edits: ids, all with score 0, in order of their ids.

    An owner is a caller, or `<caller> <user>`: one of the caller's users.
    """
    return f"baret:edits:{owner}"


def in_flight(caller: str) -> str:
    """Return the set of a caller's edits that wait or run: ids."""
    return f"baret:in_flight:{caller}"


def expired(edit_id: str) -> str:
    """Return the string that says who was an expired edit's owner, for a while."""
    return f"baret:expired:{edit_id}"


def sharing(prefix: str) -> str:
    """Return the set of the edits that share a photo, or an image's inversions: ids."""
    return f"baret:sharing:{prefix}"


def idempotency(name: str) -> str:
    """Return the hash of an idempotency key; `name` is a hash of the owner and its key."""
    return f"baret:idempotency:{name}"


# --- batches


def batch(batch_id: str) -> str:
    """Return the hash that holds a batch's record."""
    return f"baret:batch:{batch_id}"


def batch_lines(batch_id: str) -> str:
    """Return the hash of a batch's lines: index → the edit's id, or the line's problem as JSON."""
    return f"baret:batch:{batch_id}:lines"


def batches(caller: str) -> str:
    """Return the sorted set of a caller's batches, as `listing`."""
    return f"baret:batches:{caller}"


def open_batches(caller: str) -> str:
    """Return the sorted set of a caller's batches whose edits are not all queued, as `listing`."""
    return f"baret:open_batches:{caller}"


def batch_edits(caller: str) -> str:
    """Return the set of edits of a caller's batches that wait or run: ids."""
    return f"baret:batch_edits:{caller}"


# --- models and workers

MODELS = "baret:models"  # hash: model → its announcement, JSON
WORKERS = "baret:workers"  # sorted set: `<worker> <model>` → end of its announcement, s
WORKER_VERSIONS = "baret:worker_versions"  # hash: `<worker> <model>` → version of its code
LOADING = "baret:loading"  # sorted set: `<worker> <since ms> <model>` → end of its announcement, s
LAST_SERVED = "baret:last_served"  # hash: model → when a worker announced it last, ms
COLD_STARTS = "baret:cold_starts"  # hash: model → seconds that its last worker took to start
STANDBY = "baret:standby"  # sorted set: `<worker> <model>` not loaded → end of announcement, s
LOAD_SECONDS = "baret:load_seconds"  # hash: model → seconds that a live worker took to load it last
LOAD_FAILED = "baret:load_failed"  # sorted set: `<worker> <model>` → end of its announcement, s
LOAD_ERRORS = "baret:load_errors"  # hash: `<worker> <model>` → why it could not be loaded

# --- statistics

ENDED = "baret:ended"  # hash: `<model> <status>` → edits
STAGE_SECONDS = "baret:spent"  # hash: `<model> <stage>` → seconds of edits that succeeded
ATTEMPTED = "baret:attempted"  # hash: status of a delivery after an attempt → attempts

# --- webhooks

LANES = "baret:deliveries:lanes"  # sorted set: lane → when its next delivery is due, ms


def lane(name: str) -> str:
    """Return the sorted set of a lane's deliveries: id → when it is due, ms.

    A lane's name is `<caller> <receiver>`.
    """
    return f"baret:deliveries:due:{name}"


def delivery(delivery_id: str) -> str:
    """Return the hash that holds a webhook delivery."""
    return f"baret:delivery:{delivery_id}"


def delivery_attempts(delivery_id: str) -> str:
    """Return the list of a delivery's attempts, the oldest first: JSON each."""
    return f"baret:delivery:{delivery_id}:attempts"


def webhook_secrets(caller: str) -> str:
    """Return the sorted set of a caller's webhook secrets: secret → its end, ms; +inf: none."""
    return f"baret:webhook-secrets:{caller}"


# --- access

API_KEYS = "baret:keys"  # set: ids of all API keys ever made
RATES = "baret:rates"  # prefix of the rate limiter's counters


def api_key(key_id: str) -> str:
    """Return the hash that holds an API key's record."""
    return f"baret:key:{key_id}"


def upload(upload_id: str) -> str:
    """Return the hash that holds an upload's record, until its URL expires or an edit uses it."""
    return f"baret:upload:{upload_id}"


def user_token(token_id: str) -> str:
    """Return the hash that holds a user token's record, for as long as it is valid."""
    return f"baret:token:{token_id}"


def secret(name: str) -> str:
    """Return the string that holds a secret shared by all processes."""
    return f"baret:secret:{name}"


_FIXED = {
    "running": RUNNING,
    "expiring": EXPIRING,
    "turn_clocks": TURN_CLOCKS,
    "batch_turn_clocks": BATCH_TURN_CLOCKS,
    "in_a_row": IN_A_ROW,
    "image_bytes": IMAGE_BYTES,
    "record_bytes": RECORD_BYTES,
    "prefix_bytes": PREFIX_BYTES,
    "batches_due": BATCHES_DUE,
    "batches_expiring": BATCHES_EXPIRING,
    "deletions": DELETIONS,
    "models": MODELS,
    "workers": WORKERS,
    "worker_versions": WORKER_VERSIONS,
    "loading": LOADING,
    "last_served": LAST_SERVED,
    "cold_starts": COLD_STARTS,
    "standby": STANDBY,
    "load_seconds": LOAD_SECONDS,
    "load_failed": LOAD_FAILED,
    "load_errors": LOAD_ERRORS,
    "ended": ENDED,
    "stage_seconds": STAGE_SECONDS,
    "attempted": ATTEMPTED,
    "lanes": LANES,
}
_NAMED: tuple[Callable[[str], str], ...] = (
    edit,
    events,
    waiting,
    turns,
    turn_ends,
    batch_turns,
    batch_turn_ends,
    runs,
    listing,
    in_flight,
    expired,
    sharing,
    idempotency,
    batch,
    batch_lines,
    batches,
    open_batches,
    batch_edits,
    lane,
    delivery,
    delivery_attempts,
    webhook_secrets,
    user_token,
    upload,
)


def lua_definitions() -> str:
    """Return the names that scripts use, as Lua: `local running_key = …` and functions."""
    lines = [f"local {name}_key = '{key}'" for name, key in _FIXED.items()]
    for function in _NAMED:
        before, after = function("\0").split("\0")
        tail = f" .. '{after}'" if after else ""
        lines.append(
            f"local function {function.__name__}_key(name) return '{before}' .. name{tail} end"
        )
    return "\n".join(lines) + "\n"
