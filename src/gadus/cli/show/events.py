"""The history of a job as rows: what happened, when, and to what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .cells import id_column, node_column, text_column
from .lists import Column
from .states import state_word
from .text import shortened

_LONGEST_EVENT = 120


def _time(entry: Mapping[str, Any]) -> str:
    return str(entry["Time"])[:19].replace("T", " ")


def _state(entry: Mapping[str, Any]) -> str:
    if entry["Type"] == "JobLevel":
        return str((entry.get("JobState") or {}).get("New", ""))
    number = (entry.get("ExecutionState") or {}).get("New")
    return "" if number is None else state_word(number)


def _event(entry: Mapping[str, Any]) -> str:
    event = entry["Event"]
    details = event.get("Details") or {}
    added = " ".join(f"{word}: {details[key]}" for word, key in (("Reason", "Reason"), ("Hint", "Hint")) if details.get(key))
    return f"{event['Message']} ({added})" if added else str(event["Message"])


_TIME = Column("Time", lambda entry, whole: _time(entry) if whole else _time(entry)[11:])
_WHOLE_TIME = text_column("Time", _time)
_LEVEL = text_column("Level", lambda entry: str(entry["Type"]))
_REVISION = text_column("Rev.", lambda entry: str(entry.get("NewRevision", "")))
_STATE = text_column("State", _state)
_TOPIC = text_column("Topic", lambda entry: str(entry["Event"]["Topic"]))
_EVENT = Column("Event", lambda entry, whole: _event(entry) if whole else shortened(_event(entry), _LONGEST_EVENT))

HISTORY_COLUMNS = (
    _TIME,
    _LEVEL,
    _REVISION,
    id_column("Exec. ID", "ExecutionID"),
    node_column("Node ID", "NodeID"),
    _STATE,
    _TOPIC,
    _EVENT,
)
"""Of a list of events of everything."""
EVENT_COLUMNS = (_WHOLE_TIME, _REVISION, _STATE, _TOPIC, _EVENT)
"""Of the events of one thing."""
