"""
The error tree, by who must act.

    GadusError
    ├── Rejected      the caller: the request is wrong            exit 2   never retried
    ├── JobFailed     the job's author: data, program or limits   exit 1   never retried
    ├── Unavailable   nobody: wait and try again                  exit 75  retried
    └── Bug           us                                          exit 70  never retried
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class GadusError(Exception):
    """
    Something a person can act on: `message` says what and which value, `hint` the way out.

    Neither text ever holds a secret.
    """

    exit_code: ClassVar[int] = 70
    can_retry: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def kind(self) -> str:
        """The name of the error's class, as it stands in events and JSON output."""
        return type(self).__name__


class Rejected(GadusError):
    """The request cannot be carried out as it was made."""

    exit_code = 2


class InvalidSpec(Rejected):
    """The job does not say a thing that can be run; `problems` has every reason found, one a line."""

    def __init__(self, problems: Sequence[str], *, hint: str = "") -> None:
        super().__init__("\n".join(problems), hint=hint)
        self.problems = tuple(problems)


class NotFound(Rejected):
    """No job, execution or file has that name."""


class Conflict(Rejected):
    """Somebody else changed the same job first, or the job has already ended."""


class Unauthorized(Rejected):
    """Who asks did not say who they are, or what they say of it is not true (any more)."""


class Forbidden(Rejected):
    """Who asks may not do this. What they may not see is NotFound instead."""


class JobFailed(GadusError):
    """The job ran into its own data, program or limits; the same job will fail again."""

    exit_code = 1


class TimedOut(JobFailed):
    """A limit of the job's Timeouts was reached."""


class OutOfMemory(JobFailed):
    """The program needed more memory than the job's Resources.Memory."""


class DiskLimitExceeded(JobFailed):
    """The program wrote more than the job's Resources.Disk."""


class ProgramUnusable(JobFailed):
    """The image, module or entry point is missing, or is not a thing this engine can run."""


class NothingMatched(JobFailed):
    """An input names no object at all."""


class InputUnreadable(JobFailed):
    """An input cannot be read: it is not there, or these credentials may not read it."""


class InputUnsafe(JobFailed):
    """Keys that cannot be files of one directory tree; nothing was fetched."""


class ChecksumMismatch(JobFailed):
    """The bytes received are not the bytes that the job pinned."""


class InputChanged(JobFailed):
    """An object was replaced or removed after it was listed; bytes of two generations are never mixed."""


class DiskFull(JobFailed):
    """The node's disk cannot hold the inputs or results of this job."""


class Unavailable(GadusError):
    """A part that the job needs does not answer now."""

    exit_code = 75
    can_retry = True


class StorageUnavailable(Unavailable):
    """
    The storage service, or the job store, does not answer, answers with server errors, or throttles.

    `retry_after_seconds` is how long to wait before the next try; 0 when nobody knows.
    """

    def __init__(self, message: str, *, hint: str = "", retry_after_seconds: float = 0.0) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_seconds = retry_after_seconds


class Busy(Unavailable):
    """
    The server takes no more of this at the moment, from this client or from all.

    `retry_after_seconds` is how long to wait before the next try.
    """

    def __init__(self, message: str, *, hint: str = "", retry_after_seconds: float = 1.0) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_seconds = retry_after_seconds


class StoreCorrupt(Unavailable):
    """The job store is damaged: it needs a person, not another try."""

    can_retry = False


class EngineUnavailable(Unavailable):
    """The engine is not installed, not started, or went away during the run."""


class EngineAway(EngineUnavailable):
    """The engine does not answer now: it may be on its way back."""


class EngineLost(EngineUnavailable):
    """Engine or program were ended from outside during the run: the job did nothing wrong."""


class Bug(GadusError):
    """Gadus broke one of its own promises."""
