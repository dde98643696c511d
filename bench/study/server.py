"""The page on which people rate the pairs, and the few addresses it needs.

    GET  /                   the page; ?rater=NAME says who rates
    GET  /study              the pairs: sentences and random names of images
    GET  /images/NAME.png    an image of a pair
    GET  /answers?rater=     that rater's answers so far
    POST /answers?rater=     one more answer

No method is named in anything that is served; the key is read by `export` and `report` only.
"""

from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import quote

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, RedirectResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware

from bench.study import answers
from bench.study.answers import Answer
from bench.study.errors import AnswerError
from bench.study.folder import ShownPair, Study

HOST = "127.0.0.1"  # nobody else can reach it: there are no passwords
NAMES = (HOST, "localhost")  # a foreign page that resolves its own name to this machine is refused

_WEB = Path(__file__).with_name("web")
_FILES = ("page.js", "style.css", "icon.svg")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # another study may give the same names to other images
}

T = TypeVar("T")


def _rater(rater: Annotated[str, Query()]) -> str:
    try:
        return answers.check_rater(rater)
    except AnswerError as error:
        raise HTTPException(422, str(error)) from error


Rater = Annotated[str, Depends(_rater)]


def serve(study: Study, port: int, rater: str | None) -> None:
    """Serve the page until Ctrl-C."""
    uvicorn.run(create_app(study, rater), host=HOST, port=port, log_level="warning")


def page_url(port: int, rater: str | None) -> str:
    """Return the page's address for a rater; without one, the page asks for the name."""
    return f"http://{HOST}:{port}/" + (f"?rater={quote(rater)}" if rater else "")


def create_app(study: Study, rater: str | None = None) -> FastAPI:
    """Return the application; `rater` is who rates if the page's address does not say."""
    app = FastAPI(openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(NAMES))
    app.middleware("http")(_add_headers)
    _add_files(app, study, rater)
    _add_data(app, study)
    return app


async def _add_headers(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    response = await call_next(request)
    response.headers.update(_HEADERS)
    return response


def _add_files(app: FastAPI, study: Study, rater: str | None) -> None:
    images = {name for pair in study.pairs for name in (pair.photo, pair.left, pair.right)}

    @app.get("/")
    def page(request: Request) -> Response:
        if rater and "rater" not in request.query_params:
            return RedirectResponse(f"/?rater={quote(rater)}")
        return FileResponse(_WEB / "index.html")

    @app.get("/images/{name}.png")
    def image(name: str) -> Response:
        return FileResponse(study.image(_known(name, images)))

    @app.get("/web/{name}")
    def file(name: str) -> Response:
        return FileResponse(_WEB / _known(name, _FILES))


def _add_data(app: FastAPI, study: Study) -> None:
    numbers = {pair.pair for pair in study.pairs}

    @app.get("/study")
    def pairs() -> tuple[ShownPair, ...]:
        return study.pairs

    # These are coroutines so that no two of them touch a file at once.
    @app.get("/answers")
    async def given(rater: Rater) -> list[Answer]:
        return list(answers.read(study.answers, rater).values())

    @app.post("/answers", status_code=204)
    async def add(rater: Rater, answer: Answer) -> None:
        _known(answer.pair, numbers)
        answers.append(study.answers, rater, [answer])


def _known(value: T, known: Collection[T]) -> T:
    if value not in known:
        raise HTTPException(404, f"There is no {value} in this study.")
    return value
