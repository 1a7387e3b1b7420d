from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from confd.errors import Configuration
from confd.telemetry import setup


@pytest.fixture(autouse=True)
def _root() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_text_is_one_line_an_event_whatever_is_in_it() -> None:
    stream = io.StringIO()
    setup(stream=stream)
    logging.getLogger("confd.x").info("first\n2026 error second\x1b[31m")
    assert stream.getvalue().count("\n") == 1
    assert "info confd.x first\\n2026 error second\\x1b[31m" in stream.getvalue()


def test_json_is_one_object_a_line_with_the_trace() -> None:
    stream = io.StringIO()
    setup("json", "debug", stream)
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("confd.x").exception("it failed")
    event = json.loads(stream.getvalue())
    assert (event["level"], event["logger"], event["message"]) == ("error", "confd.x", "it failed")
    assert "ValueError" in event["trace"]


@pytest.mark.parametrize(("log_format", "level"), [("xml", "info"), ("text", "loud")])
def test_unknown_words_are_refused(log_format: str, level: str) -> None:
    with pytest.raises(Configuration, match="unknown"):
        setup(log_format, level)


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_password_of_a_url_is_logged_b150(form: str) -> None:
    stream = io.StringIO()
    setup(form, "debug", stream)
    try:
        raise ValueError("db://u:canary-1@h")
    except ValueError:
        logging.getLogger("confd.x").exception("no db at %s", "db://u:canary-2@h")
    assert "canary" not in stream.getvalue()
    assert "db://u:********@h" in stream.getvalue()
