"""A server, from outside: whether it answers, is ready and knows the key."""

import time
from email.utils import parsedate_to_datetime

import httpx
from baret_client import Client

from cli.checks.findings import Finding
from cli.checks.service import MAX_SKEW
from cli.edit.over_http import connect, service_errors
from cli.errors import CliError

TIMEOUT = 10.0  # seconds


def check_server(address: str) -> list[Finding]:
    """Return what was found."""
    try:
        client = connect(address)
    except CliError as error:
        return [Finding("server", "wrong", str(error))]
    with client:
        try:
            started = time.monotonic()
            answer = httpx.get(f"{client.server}/readyz", timeout=TIMEOUT)
        except httpx.HTTPError as error:
            todo = "Start it, or correct the address (BARET_SERVER)."
            return [Finding("server", "wrong", f"{client.server} does not answer: {error}", todo)]
        spent = time.monotonic() - started
        return [_ready(client.server, answer, spent), *_clock(answer), *_models(client)]


def _ready(address: str, answer: httpx.Response, seconds: float) -> Finding:
    if answer.is_success:
        return Finding("server", "ok", f"{address} is ready, answers in {seconds * 1000:.0f} ms")
    try:
        missing = " ".join(one["detail"] for one in answer.json()["errors"])
    except (ValueError, LookupError, TypeError):
        detail = f"{address} answers {answer.status_code}, which is not BARET's answer"
        return Finding("server", "wrong", detail, "Check the address, and its path behind a proxy.")
    return Finding("server", "wrong", f"{address} is not ready: {missing}", "Ask its operator.")


def _clock(answer: httpx.Response) -> list[Finding]:
    try:
        theirs = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return []
    skew = time.time() - theirs
    if abs(skew) <= MAX_SKEW:
        return [Finding("clock", "ok", "as the server's, to a few seconds")]
    todo = "Synchronize both clocks (NTP): signed addresses and webhooks depend on it."
    return [Finding("clock", "wrong", f"{abs(skew):.0f} s from the server's", todo)]


def _models(client: Client) -> list[Finding]:
    try:
        with service_errors():
            models = client.models.list()
    except CliError as error:
        return [Finding("API key", "wrong", str(error))]
    if not models:
        return [Finding("models", "wrong", "none", "Start a worker: `baret worker`.")]
    names = ", ".join(f"{model.id} ({model.state})" for model in models)
    if any(model.state == "ready" for model in models):
        return [Finding("models", "ok", names)]
    return [Finding("models", "note", names, "No worker is live: edits wait until one starts.")]
