"""Structured logs, readable at a terminal or as JSON; an edit's lines carry its id."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

from core.telemetry.redaction import redact

_TRACES = ("exception", "stack")
QUIET = ("httpx", "httpcore", "celery.app.trace", "uvicorn.access", "PIL")


def configure_logs(*, level: str, form: str, part: str) -> None:
    """Send every log line of this process, our own and the libraries', to stderr in one form.

    Args:
        level: DEBUG, INFO, WARNING or ERROR.
        form: "console" or "json".
        part: which process speaks ("api", "worker", …), on every line.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]

    def name_the_part(_: object, __: str, event: EventDict) -> EventDict:
        event["part"] = part
        return event

    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared],
            processors=[
                name_the_part,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(form),
                # Last, so that it sees what libraries say and tracebacks too.
                lambda _, __, line: redact(str(line)),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _renderers(form: str) -> list[Processor]:
    if form == "json":
        # Without local variables: they hold what callers sent.
        traces = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        return [
            structlog.processors.ExceptionRenderer(traces),
            structlog.processors.JSONRenderer(),
        ]
    return [
        _on_one_line,
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,
        ),
    ]


def _on_one_line(_: object, __: str, event: EventDict) -> EventDict:
    """Escape what could end a line or speak to a terminal: a caller's text forges no line.

    JSON does so by itself. Tracebacks keep their lines.
    """
    for name, value in event.items():
        if isinstance(value, str) and not value.isprintable() and name not in _TRACES:
            event[name] = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in value)
    return event


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger whose keyword arguments become fields."""
    logger: FilteringBoundLogger = structlog.get_logger(name)
    return logger


@contextmanager
def about_edit(edit_id: str, **fields: object) -> Iterator[None]:
    """Put the edit's id on every line logged inside, libraries' lines included."""
    with structlog.contextvars.bound_contextvars(edit=edit_id, **fields):
        yield
