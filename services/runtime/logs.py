"""Logs: one JSON object a line on stderr, for our events and for the libraries' records alike.

An event has a constant name and fields (UIDs, AE titles, ids); never patient data. Texts of foreign errors may quote
values of a data set or a row, so only the errors listed here are logged with their text, others with type and place.
"""

import logging
import sys
import traceback
from contextlib import AbstractContextManager

import structlog
from structlog.typing import EventDict, WrappedLogger

from services.runtime.errors import GatewayError

SPEAKING_ERRORS = (
    GatewayError, OSError, RuntimeError, TypeError, AttributeError, NameError, ImportError, AssertionError,
)  # fmt: skip
SILENT = ("pydicom", "pynetdicom", "py.warnings")  # their texts quote element values
REPORTED = ("aio_pika", "aiormq", "psycopg")  # bus and db report an outage once; these repeat it with every attempt


def configure(service: str, level: str = "info") -> None:
    """Send everything this process logs to stderr as JSON, with the service's name."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper("iso", utc=True),
        _Named(service),
        _render_exception,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(sys.stderr)
    finish: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.JSONRenderer(default=lambda value: f"<{type(value).__name__}>"),
    ]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=finish))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    for name in SILENT + REPORTED:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


def bound(**ids: object) -> AbstractContextManager[None]:
    """Every event within the block carries these ids (message, association); per thread and per task."""
    return structlog.contextvars.bound_contextvars(**ids)


def describe(error: BaseException) -> str:
    """Type and, for errors that never quote data, text of an error."""
    name = type(error).__name__
    return f"{name}: {error}" if isinstance(error, SPEAKING_ERRORS) else name


class _Named:
    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        event["service"] = self._service
        return event


def _render_exception(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    found = event.pop("exc_info", None)
    if not found:
        return event
    error = found if isinstance(found, BaseException) else found[1] if isinstance(found, tuple) else sys.exc_info()[1]
    if error is not None:
        event["error"] = describe(error)
        event["at"] = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)[-12:]]
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause:
            event["cause"] = describe(cause)
    return event
