"""A record of the log as one line: for people, or as a JSON object. Nothing that others wrote can begin a line of its own."""

from __future__ import annotations

import json
import logging
import re
import time
import traceback
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from .context import request_id

LONGEST_TEXT = 2000
"""So much of a message or of a field is kept."""
LONGEST_TRACEBACK = 20_000

_ONE_WORD = re.compile(r"[!#-<>-~]+")
"""What people read as one word as it is: visible ASCII without quotes and equals signs."""
_NOTHING: Mapping[str, Any] = {}
_EMPTY = ("", None)
_LOG = logging.getLogger("gadus")
_as_json = json.JSONEncoder(default=str).encode


def note(event: str, level: int = logging.INFO, **fields: Any) -> None:
    """One line of the server's log: what happened, and to what. Fields that are empty are left out."""
    if _LOG.isEnabledFor(level):
        # Not by `log`, which looks for the line of the code that calls: that takes longer than all the rest.
        record = logging.LogRecord(_LOG.name, level, "", 0, event, None, None)
        record.gadus_fields = fields
        _LOG.handle(record)


class Json(logging.Formatter):
    """One JSON object a line, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        told = {"time": _time_of(record), "level": record.levelname.lower(), "event": _event(record)}
        told |= _fields(record)
        if trouble := _trouble(record):
            told["traceback"] = trouble
        return _as_json(told)


class People(logging.Formatter):
    """``2026-05-01T13:37:00.123Z info  job completed  job=j-… seconds=1.5``."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        fields = (f"{name}={_quoted(value)}" for name, value in _fields(record).items())
        level = record.levelname.lower()
        line = " ".join((_time_of(record), f"{level:<7}", _safe(_event(record)), *fields))
        trouble = "".join(f"\n    {_safe(part)}" for part in _trouble(record).split("\n") if part)
        return line + trouble


def formatter(mode: str) -> logging.Formatter:
    """How lines look in this mode: json, or default."""
    return Json() if mode == "json" else People()


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """What is not empty, each no longer than it may be."""
    given: Mapping[str, Any] = getattr(record, "gadus_fields", _NOTHING)
    asked = ("request_id", request_id.get()) if record.name == _LOG.name else ("logger", record.name)
    return {
        name: _clipped(value) if isinstance(value, str) else value
        for name, value in (*given.items(), asked)
        if value not in _EMPTY
    }


def _event(record: logging.LogRecord) -> str:
    try:
        return _clipped(record.getMessage())
    except (TypeError, ValueError, KeyError):
        # A library that puts its text together wrongly: whoever called it must not end by that.
        return _clipped(f"{record.msg} {record.args}")


def _time_of(record: logging.LogRecord) -> str:
    return f"{_second(int(record.created))}.{int(record.msecs):03d}Z"


@lru_cache(maxsize=8)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _trouble(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[1] is None:
        return ""
    text = "".join(traceback.format_exception(record.exc_info[1]))
    # Its end says what happened.
    return text if len(text) <= LONGEST_TRACEBACK else f"…{text[-LONGEST_TRACEBACK:]}"


def _clipped(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"


def _quoted(value: Any) -> str:
    text = str(value)
    if _ONE_WORD.fullmatch(text):
        return text
    text = _safe(text)
    return json.dumps(text, ensure_ascii=False) if set(text) & set(' "=') else text


def _safe(text: str) -> str:
    r"""On one line: what could end it, or steer a terminal, is written as an escape such as ``\x0a``."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or unicodedata.category(letter) == "Zs" else f"\\x{ord(letter):02x}" for letter in text
    )
