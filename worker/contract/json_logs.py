"""Logging as JSON lines that carry the id of the current request or job."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

_subject: ContextVar[dict[str, str] | None] = ContextVar("subject", default=None)

# As logging.config.dictConfig takes it.
JSON_LOGS = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "worker.contract.json_logs.JsonLines"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"level": "INFO", "handlers": ["stderr"]},
}


@contextmanager
def log_context(**subject: str) -> Iterator[None]:
    """Add these fields to every line that this thread or task logs inside the block."""
    token = _subject.set(subject)
    try:
        yield
    finally:
        _subject.reset(token)


class JsonLines(logging.Formatter):
    """Formats each log record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record as JSON."""
        document = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **(_subject.get() or {}),
        }
        if record.exc_info:
            document["trace"] = self.formatException(record.exc_info)
        return json.dumps(document)
