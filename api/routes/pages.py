"""Pages for people: the plain page at /, the reference at /docs, one page a problem."""

from html import escape
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response
from fastapi.staticfiles import StaticFiles

from api.problems.errors import AddressUnknown
from api.problems.types import BY_CODE
from core.problems import EDIT_PROBLEMS

_WEB = Path(__file__).parents[1] / "web"

# Everything comes from here; pictures that were chosen but not sent are blobs.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

router = APIRouter(include_in_schema=False)

web_files = StaticFiles(directory=_WEB)


@router.get("/")
def home() -> Response:
    """The plain page: a photo, a sentence, the result."""
    return FileResponse(_WEB / "index.html", headers=_HEADERS)


@router.get("/docs")
def docs() -> Response:
    """The reference, drawn from /openapi.json without anything from elsewhere."""
    return FileResponse(_WEB / "docs.html", headers=_HEADERS)


@router.get("/docs/problems/{code}")
def problem(code: str) -> Response:
    """What a problem's `type` leads to."""
    kind = BY_CODE.get(code) or EDIT_PROBLEMS.get(code)
    if kind is None:
        raise AddressUnknown("There is no problem of this name.")
    page = (_WEB / "problem.html").read_text()
    for name, text in (
        ("title", kind.title),
        ("code", code),
        ("status", str(kind.status)),
        ("help", kind.help),
    ):
        page = page.replace(f"{{{name}}}", escape(text))
    return HTMLResponse(page, headers=_HEADERS)
