"""The states of executions in words: Bacalhau's documents have numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SINCE_1_5_2 = (
    "Undefined",
    "New",
    "AskForBid",
    "AskForBidAccepted",
    "AskForBidRejected",
    "BidAccepted",
    "Running",
    "Publishing",
    "BidRejected",
    "Completed",
    "Failed",
    "Cancelled",
)
_ENDED = {"AskForBidRejected", "BidRejected", "Completed", "Failed", "Cancelled"}
_DESIRED = ("Pending", "Running", "Stopped")


def compute_state(execution: Mapping[str, Any]) -> str:
    """What has become of an execution: "Completed"."""
    return state_word(execution["ComputeState"]["StateType"])


def desired_state(execution: Mapping[str, Any]) -> str:
    """What an execution is to do: "Running"."""
    return _word(_DESIRED, execution["DesiredState"]["StateType"])


def has_ended(execution: Mapping[str, Any]) -> bool:
    """Whether nothing of an execution runs any more."""
    return compute_state(execution) in _ENDED


def state_word(number: Any) -> str:
    """The word for the number of a state."""
    return _word(_SINCE_1_5_2, number)


def _word(words: tuple[str, ...], number: Any) -> str:
    return words[number] if isinstance(number, int) and 0 <= number < len(words) else str(number)
