"""Logs: one line an event, as text or as JSON, on standard error. Never a value, only keys and digests."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

from confd.errors import Configuration
from confd.secret import without_passwords

__all__ = ["FORMATS", "LEVELS", "setup"]

FORMATS = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")


def setup(log_format: str = "text", level: str = "info", stream: TextIO | None = None) -> None:
    """Send all logs of this process to one place. Raises `Configuration` for an unknown format or level."""
    if log_format not in FORMATS:
        raise Configuration(f"log format {log_format!r} is unknown; use {' or '.join(FORMATS)}")
    if level not in LEVELS:
        raise Configuration(f"log level {level!r} is unknown; use one of {', '.join(LEVELS)}")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Json() if log_format == "json" else _Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def _at(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Text(logging.Formatter):
    """`TIME LEVEL LOGGER MESSAGE`; control characters are escaped, so that one event is one line."""

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        text = without_passwords(text)
        line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
        return f"{_at(record)} {record.levelname.lower()} {record.name} {line}"


class _Json(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        event = {
            "at": _at(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_passwords(record.getMessage()),
        }
        if record.exc_info:
            event["trace"] = without_passwords(self.formatException(record.exc_info))
        return json.dumps(event, ensure_ascii=True)
