"""The address of the service, and which web pages may call it without a key.

A service without keys trusts everyone who can reach its port. On a personal computer that includes
every web page the person opens: a page can post forms to 127.0.0.1, and once it has made its own
name resolve there (DNS rebinding) it can read the answers too. Without keys, therefore, only the
service's own pages are answered, and only under names that are listed: those of loopback, and those
that the operator configures.
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
    host = url.hostname or ""
    known = host in (*settings.allowed_hosts, public_url.hostname)
    if not (known or is_loopback(host) or _is_where_it_arrived(host, request)):
        raise Forbidden(
            "A service without keys does not answer under this name. Add it to "
            "BARET_ALLOWED_HOSTS, or create a key."
        )
    origin = request.headers.get("origin")
    if origin is not None and _authority(origin) not in (url.netloc, public_url.netloc):
        raise Forbidden(
            "A service without keys takes no requests from other web pages. Create a key."
        )


def is_loopback(host: str) -> bool:
    """Return whether a host is a name or an address of loopback."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_where_it_arrived(host: str, request: Request) -> bool:
    """Return whether the host is the IP address, in numbers, that the connection came to."""
    server = request.scope.get("server")
    try:
        return server is not None and ip_address(host) == ip_address(server[0])
    except ValueError:
        return False


def _authority(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None
