"""Under which address the service is known, and whom a web browser speaks for.

A service without keys trusts whoever reaches its port, and on the machine of a person that is every
web page that they look at: a page can post forms to 127.0.0.1, and after having its own name point
there (DNS rebinding) read the answers too. So without keys only pages of the service itself are
answered, under addresses that no foreign page can have.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi import Request

from api.problems.errors import Forbidden
from core.settings import Settings


def base_url(request: Request, settings: Settings) -> str:
    """Scheme and authority for addresses in answers and webhooks, without a slash at the end.

    It is the configured one, else what the request's own Host header says.
    """
    return settings.public_url or str(request.base_url).rstrip("/")


def check_origin(request: Request, settings: Settings) -> None:
    """Refuse what foreign web pages make browsers send to a service without keys.

    Raises:
        Forbidden: the request comes from such a page, or may.
    """
    url, ours = request.base_url, urlsplit(settings.public_url)
    if not (_is_local(url.hostname or "") or url.hostname == ours.hostname):
        raise Forbidden(
            "Without keys the service is not known by this name. Set BARET_PUBLIC_URL to it, or "
            "make a key, or call the service by an IP address."
        )
    origin = request.headers.get("origin")
    if origin is not None and _authority(origin) not in (url.netloc, ours.netloc):
        raise Forbidden("Without keys no other web page may send requests. Make a key for it.")


def _is_local(host: str) -> bool:
    """Whether no web page can be served under this name: an address, or a name without a dot."""
    try:
        ip_address(host)
    except ValueError:
        return "." not in host
    return True


def _authority(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None
