"""Pages for people: the editor at /, the reference at /docs, and one page for each problem."""

from html import escape
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response
from fastapi.staticfiles import StaticFiles

from api.problems.errors import AddressUnknown
from api.problems.types import BY_CODE
from core.problems import EDIT_PROBLEMS

_WEB = Path(__file__).parents[1] / "web"

# The pages load everything from this service; a chosen photo that is not sent yet is a blob.
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
    """Serve the page with a photo, a sentence and the result."""
    return FileResponse(_WEB / "index.html", headers=_HEADERS)


@router.get("/docs")
def docs() -> Response:
    """Serve the reference, which is drawn from /openapi.json."""
    return FileResponse(_WEB / "docs.html", headers=_HEADERS)


@router.get("/docs/problems/{code}")
def problem(code: str) -> Response:
    """Serve the page that a problem's `type` leads to."""
    problem_type = BY_CODE.get(code) or EDIT_PROBLEMS.get(code)
    if problem_type is None:
        raise AddressUnknown("There is no problem with this code.")
    page = (_WEB / "problem.html").read_text()
    for name, text in (
        ("title", problem_type.title),
        ("code", code),
        ("status", str(problem_type.status)),
        ("help", problem_type.help),
    ):
        page = page.replace(f"{{{name}}}", escape(text))
    return HTMLResponse(page, headers=_HEADERS)
