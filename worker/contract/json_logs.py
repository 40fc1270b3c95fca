"""Logs as lines of JSON, each with the request or the job that it is about."""

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
def about(**subject: str) -> Iterator[None]:
    """Let every line that is logged here, not those of other threads, name what it is about."""
    token = _subject.set(subject)
    try:
        yield
    finally:
        _subject.reset(token)


class JsonLines(logging.Formatter):
    """One line for each record, whatever its message holds."""

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
