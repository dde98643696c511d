"""Pages for people: the playground at /, the reference at /docs, and one page for each problem."""

from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles

from api.problems.errors import AddressUnknown
from api.problems.types import BY_CODE
from api.services import Services
from core.problems import EDIT_PROBLEMS

_WEB = Path(__file__).parents[1] / "web"
_SAMPLES = Path(__file__).parents[2] / "zoo" / "samples"

# The pages load everything from this service; a chosen photo that is not sent yet is a blob.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:{store}; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}

router = APIRouter(include_in_schema=False)

web_files = StaticFiles(directory=_WEB)
sample_files = StaticFiles(directory=_SAMPLES)  # photos for the bundled model, and their sentences


@router.get("/")
def home(request: Request) -> Response:
    """Serve the playground: a photo, a sentence and the result."""
    return _page(request, "index.html")


@router.get("/docs")
def docs(request: Request) -> Response:
    """Serve the reference, which is drawn from /openapi.json."""
    return _page(request, "docs.html")


@router.get("/docs/problems/{code}")
def problem(request: Request, code: str) -> Response:
    """Serve the page that a problem's `type` leads to."""
    problem_type = BY_CODE.get(code) or EDIT_PROBLEMS.get(code)
    if problem_type is None:
        raise AddressUnknown("There is no problem with this code.")
    return _page(
        request,
        "problem.html",
        title=problem_type.title,
        code=code,
        status=str(problem_type.status),
        help=problem_type.help,
    )


def _page(request: Request, name: str, **texts: str) -> Response:
    """Return a page, filled in; `{root}` is the path of the public address."""
    page = (_WEB / name).read_text()
    for slot, text in {"root": request.app.state.root, **texts}.items():
        page = page.replace(f"{{{slot}}}", escape(text))
    policy = _POLICY.format(store=_store_source(request))
    return HTMLResponse(page, headers=_HEADERS | {"Content-Security-Policy": policy})


def _store_source(request: Request) -> str:
    """Return the object store's origin as one more source of images, if addresses lead there."""
    services: Services = request.app.state.services
    if not services.sends_downloads_to_store:
        return ""
    parts = urlsplit(services.images.sign_get("origin", "image", seconds=1))
    return f" {parts.scheme}://{parts.netloc}"
