"""Structured logs, as text for a terminal or as JSON. Lines about an edit carry its id."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

from core.telemetry.redaction import redact

_MULTILINE = ("exception", "stack")
QUIET_LOGGERS = ("httpx", "httpcore", "celery.app.trace", "uvicorn.access", "PIL")


def configure_logs(*, level: str, form: str, part: str) -> None:
    """Send every log line of this process, ours and the libraries', to stderr in one format.

    Args:
        level: DEBUG, INFO, WARNING or ERROR.
        form: "console" or "json".
        part: the process ("api", "worker", …), added to every line.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]

    def add_part(_: object, __: str, event: EventDict) -> EventDict:
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
                add_part,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(form),
                # Last, so that it sees the lines of libraries and tracebacks too.
                lambda _, __, line: redact(str(line)),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def _renderers(form: str) -> list[Processor]:
    if form == "json":
        # Without local variables: those hold what callers sent.
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
    """Escape line breaks and control characters, so that a caller's text cannot forge a line.

    JSON escapes them anyway. Tracebacks keep their lines.
    """
    for name, value in event.items():
        if isinstance(value, str) and not value.isprintable() and name not in _MULTILINE:
            event[name] = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in value)
    return event


def get_logger(name: str) -> FilteringBoundLogger:
    """Return a logger whose keyword arguments become fields."""
    logger: FilteringBoundLogger = structlog.get_logger(name)
    return logger


@contextmanager
def edit_log_context(edit_id: str, **fields: object) -> Iterator[None]:
    """Add the edit's id to every line logged inside, including libraries' lines."""
    with structlog.contextvars.bound_contextvars(edit=edit_id, **fields):
        yield
