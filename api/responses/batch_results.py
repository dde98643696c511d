"""The results of a batch: a JSON line for each edit that has ended, read a page at a time."""

import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from api.problems.types import CANCELED, EXPIRED, ProblemType
from api.responses.edit import render_with
from api.server.shares import share_of
from api.services import Services
from core.errors import KeyRevoked, StoreUnavailable
from core.images.keys import batch_page, batch_prefix
from core.problems import make_problem
from core.schema import LINES_PER_PAGE, BatchRecord, BatchResult, Record
from core.telemetry.logs import get_logger

log = get_logger("baret.api")


async def result_lines(
    services: Services, request: Request, batch: BatchRecord
) -> AsyncIterator[bytes]:
    """Yield the results so far, in the order of the batch, a page at a time.

    An answer that cannot go on ends without its last bytes, so that its reader notices.

    Raises:
        StoreUnavailable: Redis or the image storage does not answer.
        KeyRevoked: the request's key was revoked meanwhile.
    """
    share = share_of(request, batch.new.caller)
    for first in range(0, batch.new.total, LINES_PER_PAGE):
        try:
            await run_in_threadpool(services.keys.check, request.state.key_id)
            async with services.shares.lists.slot(share):
                text = await run_in_threadpool(_page, services, request, batch, first)
        except (StoreUnavailable, KeyRevoked) as error:
            log.warning("results ended early", batch=batch.new.id, reason=str(error))
            raise
        if text:
            yield text


def _page(services: Services, request: Request, batch: BatchRecord, first: int) -> bytes:
    numbers = range(first, min(first + LINES_PER_PAGE, batch.new.total))
    data = services.images.get(batch_prefix(batch.new.id), batch_page(first // LINES_PER_PAGE))
    sent = [json.loads(line) for line in (data or b"").splitlines()]
    outcomes = services.batches.lines(batch.new.id, numbers)
    ids = [outcome for outcome in outcomes if outcome and _is_edit(outcome)]
    records = services.store.get_several(ids, caller=batch.new.caller)
    results = []
    for line, outcome in zip(numbers, outcomes, strict=True):
        result = _result(services, request, batch, outcome, records.get(outcome or ""))
        if result is not None:
            custom_id = sent[line - first]["custom_id"] if line - first < len(sent) else None
            full = result.model_copy(update={"index": line, "custom_id": custom_id})
            results.append(full.model_dump_json().encode() + b"\n")
    return b"".join(results)


def _is_edit(outcome: str) -> bool:
    return outcome.startswith("edit_")


def _result(
    services: Services,
    request: Request,
    batch: BatchRecord,
    outcome: str | None,
    record: Record | None,
) -> BatchResult | None:
    """Return what became of a line, without its names; None if that is still to come."""
    prefix = services.settings.public_path
    if outcome is None:
        canceled = "The batch ended before this edit was queued."
        stopped = batch.canceling_at is not None
        return _failed(_problem(CANCELED, prefix, canceled)) if stopped else None
    if not _is_edit(outcome):
        return _failed(json.loads(outcome))
    if record is None:
        gone = "The edit has expired, or was deleted."
        return _failed(_problem(EXPIRED, prefix, gone))
    if not record.status.final:
        return None
    edit = render_with(services, request, record, None)
    error = edit.error
    if edit.status == "canceled":
        error = _problem(CANCELED, prefix, "The edit was canceled.")
    return BatchResult(index=0, edit=edit, error=error)


def _failed(error: dict[str, Any]) -> BatchResult:
    return BatchResult(index=0, error=error)


def _problem(kind: ProblemType, prefix: str, detail: str) -> dict[str, Any]:
    problem = make_problem(kind.code, kind.title, status=kind.status, detail=detail, prefix=prefix)
    return problem.model_dump(exclude_none=True)
