"""The answer to a POST, and the little that is stored of it so that it can be given again."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from fastapi.responses import JSONResponse
from pydantic import ValidationError

from api.server.headers import IDEMPOTENT_REPLAYED
from api.services import Services
from core.errors import StoreDamaged
from core.schema import Edit, EditStatus, Record, Stage
from core.schema.base import Strict
from core.serializer import edit_resource


class FirstAnswer(Strict):
    """What an answer said of its edit that may have changed since; the edit has the rest.

    Nothing in it was written by the caller, and its size is bounded: a day of them is kept.
    """

    at: datetime  # from when its signed URLs were valid
    wait: int
    key_id: str = ""
    status: EditStatus
    stage: Stage | None = None
    progress: float = 0.0
    attempt: int = 0
    started_at: datetime | None = None
    completed_at: datetime | None = None
    expires_at: datetime | None = None
    queue_position: int | None = None
    eta_seconds: float | None = None

    def record(self, record: Record) -> Record:
        """Return an edit's record as it was then."""
        state = self.model_dump(include=set(Record.model_fields))
        ended = {} if self.status.final else {"result": None, "error": None}
        return record.model_copy(update={**state, **ended})


@dataclass(frozen=True)
class PostAnswer:
    """The answer to a POST."""

    edit: Edit
    at: datetime  # from when its signed URLs are valid
    wait: int  # seconds that it could wait for the edit's end; 0: none
    key_id: str  # of the key that it is for; empty for none

    @classmethod
    def again(cls, services: Services, record: Record, text: str) -> Self:
        """Return the first answer, from what `stored` returned of it and the edit as it is now.

        Raises:
            StoreDamaged: the text cannot be read.
        """
        try:
            first = FirstAnswer.model_validate_json(text)
        except ValidationError as error:
            message = "The first answer is damaged; use a new Idempotency-Key."
            raise StoreDamaged(message) from error
        edit = edit_resource(
            first.record(record),
            signer=services.signer,
            base_url=record.submission.base_url,
            queue_position=first.queue_position,
            eta_seconds=first.eta_seconds,
            key_id=first.key_id,
            now=first.at,
        )
        return cls(edit, first.at, first.wait, first.key_id)

    def stored(self) -> str:
        """Return what must be stored to give the answer again."""
        names = FirstAnswer.model_fields.keys() & Edit.model_fields.keys()
        first = FirstAnswer(
            at=self.at,
            wait=self.wait,
            key_id=self.key_id,
            attempt=self.edit.metrics.attempts,
            **self.edit.model_dump(include=set(names)),
        )
        return first.model_dump_json(exclude_defaults=True)

    def response(self, *, replayed: bool) -> JSONResponse:
        """Return the answer as it is sent."""
        headers = {"Location": self.edit.urls.self}
        if self.wait:
            headers["Preference-Applied"] = f"wait={self.wait}"
        if replayed:
            headers[IDEMPOTENT_REPLAYED] = "true"
        status = 201 if self.wait and self.edit.status.final else 202
        return JSONResponse(self.edit.model_dump(mode="json"), status, headers)
