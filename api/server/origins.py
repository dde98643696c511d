"""The address of the service, and which web pages may call it without a key.

A service without keys trusts everyone who can reach its port. On a personal computer that includes
every web page the person opens: a page can post forms to 127.0.0.1, and once it has made its own
name resolve there (DNS rebinding) it can read the answers too. Without keys, therefore, only the
service's own pages are answered, at addresses that no foreign page can have.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi import Request

from api.problems.errors import Forbidden
from core.settings import Settings


def base_url(request: Request, settings: Settings) -> str:
    """Return the beginning of URLs in answers and webhooks, without a trailing slash.

    It is the configured one; otherwise the request's own Host header decides.
    """
    return settings.public_url or str(request.base_url).rstrip("/")


def check_origin(request: Request, settings: Settings) -> None:
    """Refuse what foreign web pages make browsers send to a service without keys.

    Raises:
        Forbidden: the request comes from such a page, or could.
    """
    url, public_url = request.base_url, urlsplit(settings.public_url)
    if not (_is_local(url.hostname or "") or url.hostname == public_url.hostname):
        raise Forbidden(
            "A service without keys does not answer under this name. Set BARET_PUBLIC_URL to it, "
            "create a key, or call the service by its IP address."
        )
    origin = request.headers.get("origin")
    if origin is not None and _authority(origin) not in (url.netloc, public_url.netloc):
        raise Forbidden(
            "A service without keys takes no requests from other web pages. Create a key."
        )


def _is_local(host: str) -> bool:
    """Return whether no web page can have this host: an IP address, or a name without a dot."""
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
