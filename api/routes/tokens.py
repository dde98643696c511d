"""Creating a user token: what an app sends in the place of its operator's key."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field, StringConstraints
from starlette.concurrency import run_in_threadpool

from api.auth import KeyHolderDep
from api.openapi.describe import example, header, problems, ref
from api.problems.errors import Forbidden
from api.services import ServicesDep
from api.submission.body import JSON
from api.submission.small_json import read_small
from core.access.user_tokens import NewUserToken
from core.schema import Strict

router = APIRouter(prefix="/v1/tokens", tags=["tokens"])

# Without spaces, so that an owner's name can hold it (core/schema/record.py); and in ASCII, so that
# no two users look alike.
UserId = Annotated[str, StringConstraints(pattern=r"^[!-~]+$", min_length=1, max_length=128)]

EXAMPLE: dict[str, Any] = {
    "id": "tok_5f2a90c1d3e4b678",
    "object": "token",
    "token": "baret_tk_…",
    "user": "user-42",
    "edits": 20,
    "expires_at": "2026-01-05T10:30:00.120Z",
}
_HEADERS = {"Cache-Control": "no-store"}


class CreateTokenRequest(Strict):
    """What a token may do."""

    ttl: Annotated[int, Field(ge=1, le=24 * 3600)] = Field(
        3600, description="seconds for which it is valid"
    )
    edits: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="how many edits it may make; default: as many as the key"
    )
    user: UserId | None = Field(
        None,
        description="your own id of the user that it speaks for: all tokens with it see the same "
        "edits. Default: the token's id, so that it sees only what it makes",
    )


class Token(BaseModel):
    """A token, as it is returned once."""

    id: str
    object: Literal["token"] = "token"
    token: str = Field(description="`baret_tk_…`, to be sent as `Authorization: Bearer`")
    user: str
    edits: int | None
    expires_at: datetime


async def key_id(caller: KeyHolderDep) -> str:
    """Return the id of the request's key.

    Raises:
        Forbidden: the service has no keys.
    """
    if not caller.key_id:
        raise Forbidden(
            "Tokens are made from a key, and this service has none. The operator makes one with "
            "`baret keys create NAME`; from then on every request needs a key or a token."
        )
    return caller.key_id


async def token_request(
    request: Request, services: ServicesDep, caller: KeyHolderDep
) -> CreateTokenRequest:
    """Read and validate the body; raises as `read_small`."""
    return await read_small(request, services, CreateTokenRequest, caller=caller.name)


@router.post(
    "",
    status_code=201,
    response_model=Token,
    responses={
        201: {
            **example(EXAMPLE, "The token; it cannot be shown again"),
            "headers": {"Cache-Control": header("no cache may store it", "no-store")},
        },
        **problems(
            "invalid_request",
            "image_too_large",
            "unsupported_media_type",
            "validation_error",
            "unavailable",
        ),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                JSON: {
                    "schema": ref(CreateTokenRequest),
                    "example": {"ttl": 3600, "edits": 20, "user": "user-42"},
                }
            },
        }
    },
)
async def create_token(
    response: Response,
    services: ServicesDep,
    key: Annotated[str, Depends(key_id)],
    body: Annotated[CreateTokenRequest, Depends(token_request)],
) -> Token:
    """Create a token for one user of yours, whose app then needs no key.

    An app sends it as a program sends its key. It makes edits and sees those of its `user` alone,
    and ends by itself: choose a short `ttl`. A key never belongs in an app or a web page.
    """
    new = NewUserToken(key, body.ttl, body.edits, body.user)
    text, token = await run_in_threadpool(services.user_tokens.create, new)
    response.headers.update(_HEADERS)
    return Token(token=text, **token.model_dump(exclude={"key"}))
