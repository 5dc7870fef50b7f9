"""What the history of a job says of its progress."""

from __future__ import annotations

from collections.abc import Iterator

from gadus.cli.show.ended import Document
from gadus.cli.show.text import count_of

from .shape import Shape

_RUNNING, _PUBLISHING, _ENDED = 6, 7, (9, 10, 11)
_QUEUEING = "Queueing"
_INPUTS = "Downloading Inputs"


class History:
    """The sum of the entries that were told, in their order."""

    def __init__(self, shape: Shape) -> None:
        self._count = shape.count
        self._has_inputs = shape.has_inputs
        self._states: dict[str, int] = {}
        self._told: set[str] = set()
        self._waits_for = ""
        self.runs = False
        """Whether the job as a whole runs."""

    def after(self, item: Document) -> Iterator[str]:
        """Takes in one entry; gives lines for people."""
        event = item.get("Event") or {}
        if item.get("ExecutionID"):
            self._states[item["ExecutionID"]] = int((item.get("ExecutionState") or {}).get("New", 0))
            self._waits_for = ""
        else:
            self.runs = (item.get("JobState") or {}).get("New") == "Running"
        message = str(event.get("Message") or "")
        if event.get("Topic") == _QUEUEING:
            self._waits_for = message.removeprefix("Job queued. ")
            yield from self._once(f"Waiting: {self._waits_for}")
        elif event.get("Topic") == _INPUTS and not item.get("ExecutionID"):
            yield from self._once(f"Input {message}")

    def failure_of(self, item: Document) -> str:
        """Why an execution failed that can be tried again; empty when none did."""
        details = (item.get("Event") or {}).get("Details") or {}
        return str(item["Event"]["Message"]) if item.get("ExecutionID") and details.get("Retryable") == "true" else ""

    @property
    def line(self) -> str:
        """What the job does now."""
        states = list(self._states.values())
        running = sum(state in (_RUNNING, _PUBLISHING) for state in states)
        if self._waits_for and not running:
            return f"Waiting: {self._waits_for}"
        if self._count > 1:
            ended = sum(state in _ENDED for state in states)
            return f"{len(states)} of {count_of(self._count, 'execution')} begun, {running} running, {ended} ended"
        if running:
            return "Running"
        if states:
            return "Staging the inputs" if self._has_inputs else "Preparing"
        return "Waiting for a place"

    def _once(self, line: str) -> Iterator[str]:
        if line not in self._told:
            self._told.add(line)
            yield line
