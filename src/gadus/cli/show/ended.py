"""How a job ended, judged by its documents: the same for a job of this process and for one of a server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gadus.core import errors
from gadus.core.errors import GadusError
from gadus.core.job import Failure

Document = Mapping[str, Any]

STATES = {9: "completed", 10: "failed", 11: "stopped"}
"""The numbers of ended executions, as clients since 1.5.2 are told them."""
_STOPPED_EXIT_CODE = 1


@dataclass(frozen=True, slots=True)
class Written:
    """The beginning of a stream that a program wrote, and whether there is more of it."""

    text: str = ""
    is_cut: bool = False


WrittenBy = Callable[[Document, str], Written]
"""What an execution wrote to its stream of this name."""


@dataclass(frozen=True, slots=True)
class Ended:
    """An ended job, and the executions of its present version, oldest first."""

    job: Document
    executions: Sequence[Document]

    @property
    def job_id(self) -> str:
        return str(self.job["ID"])

    @property
    def state(self) -> str:
        return str(self.job["State"]["StateType"]).lower()

    @property
    def message(self) -> str:
        return str(self.job["State"].get("Message") or "")

    @property
    def task(self) -> Document:
        task: Document = self.job["Tasks"][0]
        return task

    @property
    def answers(self) -> list[Document]:
        """The executions that ended with an exit code, by index."""
        return sorted((one for one in self.executions if code_of(one) is not None), key=lambda one: int(one["PartitionIndex"]))

    @property
    def exit_code(self) -> int:
        """The program's own (the first that is not 0, in the order of the parts), else that of the error's class."""
        if self.state == "completed":
            codes = [code_of(one) or 0 for one in self.answers]
            return next((shell_code(code) for code in codes if code), 0)
        if self.state == "stopped":
            return _STOPPED_EXIT_CODE
        if self.state != "failed":
            return 0
        kind = getattr(errors, self.failure.kind, None)
        return kind.exit_code if isinstance(kind, type) and issubclass(kind, GadusError) else _STOPPED_EXIT_CODE

    @property
    def failure(self) -> Failure:
        """Why a job without an answer has none."""
        for one in reversed(self.executions):
            error = one.get("Error")
            if error and error["Kind"] != "Stopped":
                return Failure(kind=error["Kind"], message=error["Message"], hint=error["Hint"])
        kind = "TimedOut" if self.message.startswith("Job timed out") else "JobFailed"
        return Failure(kind=kind, message=self.message or f"the job is {self.state}")


def code_of(execution: Document) -> int | None:
    """The program's exit code; None when it did not end by itself."""
    ran = execution.get("RunOutput")
    return None if ran is None or execution.get("Error") else int(ran["ExitCode"])


def receipt_of(execution: Document) -> Document:
    """What was read and used, and what it took; empty as long as that is not known."""
    receipt: Document = execution.get("Receipt") or {}
    return receipt


def truncated_of(execution: Document) -> Sequence[str]:
    """The streams of which only the beginning is kept."""
    truncated: Sequence[str] = receipt_of(execution).get("truncated", ())
    return truncated


def shell_code(exit_code: int) -> int:
    """An exit code as a shell can carry it: a failure stays a failure."""
    return exit_code & 0xFF or int(exit_code != 0)
