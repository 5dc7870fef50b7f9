"""What a person sees on standard error of a job that runs elsewhere, until its first output."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Protocol

from .failures import say
from .text import printable, shortened

if TYPE_CHECKING:
    from rich.console import Console

_LONGEST = 100


class Steps(Protocol):
    """Shows what a job does now."""

    def show(self, line: str) -> None:
        """What it does at the moment, which may change soon."""

    def tell(self, line: str) -> None:
        """What has happened, to be read also later."""

    def close(self) -> None:
        """Leave the terminal to the program's output. Calling again is allowed; nothing is shown any more, but told."""


class NoSteps:
    """Shows and tells nothing."""

    def show(self, line: str) -> None:
        """Nothing."""

    def tell(self, line: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing to leave."""


def steps_for_people() -> Steps:
    """A line that moves on a terminal, plain lines anywhere else."""
    if sys.stderr.isatty():
        from rich.console import Console  # noqa: PLC0415 - a quarter of the start-up time of a job whose output is piped

        console = Console(stderr=True)
        if not console.is_dumb_terminal:
            return _Moving(console)
    return Plain()


class Plain:
    """Lines without control codes: of what it does at the moment at most one every two seconds."""

    SECONDS_BETWEEN = 2.0

    def __init__(self) -> None:
        self._next = time.monotonic() + self.SECONDS_BETWEEN
        self._shown = ""
        self._closed = False

    def show(self, line: str) -> None:
        now = time.monotonic()
        if not self._closed and now >= self._next and line != self._shown:
            self._next, self._shown = now + self.SECONDS_BETWEEN, line
            say(printable(line))

    def tell(self, line: str) -> None:
        say(printable(line))

    def close(self) -> None:
        self._closed = True


class _Moving:
    def __init__(self, console: Console) -> None:
        from rich.status import Status  # noqa: PLC0415 - as above

        self._status = Status("Waiting for the server", console=console)
        self._closed = False
        self._status.start()

    def show(self, line: str) -> None:
        if not self._closed:
            from rich.text import Text  # noqa: PLC0415 - as above

            self._status.update(Text(shortened(printable(line), _LONGEST)))

    def tell(self, line: str) -> None:
        if not self._closed:
            self._status.stop()
        say(printable(line))
        if not self._closed:
            self._status.start()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._status.stop()
