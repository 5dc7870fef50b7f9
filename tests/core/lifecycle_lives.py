"""A job whose life is told in a few words."""

from __future__ import annotations

from gadus.core.job import (
    Action,
    Ended,
    Event,
    Expired,
    Failure,
    Job,
    Limit,
    Matched,
    Outcome,
    Placed,
    Renewed,
    StopRequested,
    Submitted,
    Unplaceable,
    Vacancy,
)
from gadus.core.lifecycle import decide
from gadus.core.spec import JobSpec

OK = Outcome(exit_code=0)


def error(message: str) -> Outcome:
    """An error that no retry can help."""
    return Outcome(error=Failure(kind="ProgramUnusable", message=message))


def away(message: str) -> Outcome:
    """An error that a retry may help."""
    return Outcome(error=Failure(kind="StorageUnavailable", message=message), can_retry=True)


LOST = Outcome(error=Failure(kind="NodeLost", message="lost"), can_retry=True)
ENGINE_LOST = Outcome(error=Failure(kind="EngineLost", message="restarted"), can_retry=True)
ENGINE_AWAY = Outcome(error=Failure(kind="EngineAway", message="no answer"), can_retry=True)


def spec_of(type_: str, count: int = 1, *, queue_seconds: int = 0, total_seconds: int = 0) -> JobSpec:
    timeouts = {"QueueTimeout": queue_seconds, "TotalTimeout": total_seconds}
    task = {"Name": "main", "Engine": {"Type": "wasm", "Params": {}}, "Timeouts": timeouts}
    return JobSpec.model_validate({"Type": type_, "Count": count, "Tasks": [task]})


class Life:
    """`job` is what became of it so far, `actions` what the last event asked for; each event comes a second after the last."""

    def __init__(
        self, type_: str, count: int = 1, *, queue_seconds: int = 0, total_seconds: int = 0, attended: bool = False
    ) -> None:
        self.at = 100.0
        self.spec = spec_of(type_, count, queue_seconds=queue_seconds, total_seconds=total_seconds)
        self.job: Job
        self.actions: tuple[Action, ...]
        self.job, self.actions = decide(None, Submitted(at=self.at, job_id="j-1", spec=self.spec, attended=attended))

    def happened(self, event: Event) -> None:
        self.job, self.actions = decide(self.job, event)

    def wait(self, seconds: float = 1.0) -> float:
        self.at += seconds
        return self.at

    def vacancy(self, index: int = 0) -> Vacancy:
        return next(one for one in self.job.vacancies if one.index == index)

    def place(self, index: int = 0, node: str = "n") -> str:
        vacancy = self.vacancy(index)
        self.happened(Placed(at=self.wait(), execution_id=vacancy.id, node=vacancy.node or node))
        return vacancy.id

    def end(self, execution_id: str, outcome: Outcome = OK, *, after: float = 1.0) -> None:
        self.happened(Ended(at=self.wait(after), execution_id=execution_id, outcome=outcome))

    def run(self, *outcomes: Outcome, index: int = 0, after: float = 1.0) -> None:
        """Place the index and end it, once for each outcome."""
        for outcome in outcomes:
            self.end(self.place(index), outcome, after=after)

    def pauses(self, *outcomes: Outcome, after: float = 1.0) -> list[float]:
        """Seconds that index 0 is to wait after each of these ends."""
        pauses = []
        for outcome in outcomes:
            self.run(outcome, after=after)
            pauses.append(max(self.vacancy().not_before - self.at, 0.0))
        return pauses

    def match(self, *nodes: str) -> None:
        self.happened(Matched(at=self.wait(), nodes=nodes, edition=self.job.edition))

    def no_place(self, message: str) -> None:
        self.happened(Unplaceable(at=self.wait(), message=message, edition=self.job.edition))

    def stop(self, reason: str = "enough") -> None:
        self.happened(StopRequested(at=self.wait(), reason=reason))

    def expire(self, limit: Limit, at: float, message: str = "") -> None:
        self.at = at
        self.happened(Expired(at=at, limit=limit, message=message))

    def renew(self, spec: JobSpec | None = None) -> None:
        self.happened(Renewed(at=self.wait(), spec=spec or self.spec))

    @property
    def told(self) -> tuple[str, str]:
        """State and message."""
        return self.job.state.value, self.job.message

    @property
    def waiting(self) -> list[int]:
        return [one.index for one in self.job.vacancies]

    @property
    def nodes_waited_for(self) -> list[str]:
        return [one.node for one in self.job.vacancies]
