"""Who calls, and where a service without keys may listen.

Keys have their own issue. Their place is `caller_of`: it will read `Authorization` and raise
for a missing or unknown key; every route already asks it whose edits it may see.
"""

from ipaddress import ip_address
from typing import Annotated

from fastapi import Depends

from jobs.settings import Settings


def caller_of() -> str:
    """The caller that a request comes from: without keys everybody is the same one."""
    return "local"


CallerDep = Annotated[str, Depends(caller_of)]


def check_exposure(settings: Settings) -> None:
    """Refuse to listen where strangers could call a service that asks for no key.

    Raises:
        RuntimeError: the message says what to set.
    """
    if settings.trusted_network or _is_loopback(settings.host):
        return
    raise RuntimeError(
        f"BARET_HOST={settings.host} is reachable from other machines, and no keys are set up. "
        "Listen on 127.0.0.1, or set BARET_TRUSTED_NETWORK=true where a firewall or a container "
        "network protects the port."
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
