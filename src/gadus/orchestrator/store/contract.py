"""What a store of jobs promises, whichever database is below it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

from gadus.core.errors import Bug, GadusError
from gadus.core.job import Event, Job, State, Vacancy
from gadus.core.spec import Constraint


@dataclass(frozen=True, slots=True)
class Change:
    """
    One step of a job: `events` made `after` of `before`, which is None for a new job.

    `key` is the idempotency key of a submission: unique in its namespace, and only for the first event of a job.
    """

    before: Job | None
    after: Job
    events: tuple[Event, ...]
    key: str = ""

    def __post_init__(self) -> None:
        if not self.events or self.after.version != self.first_version - 1 + len(self.events):
            raise Bug(f"job {self.after.id}: {len(self.events)} events do not lead to version {self.after.version}")
        if self.key and self.before is not None:
            raise Bug(f"job {self.after.id}: an idempotency key comes with the first event only")

    @property
    def first_version(self) -> int:
        """The version that the first of the events makes."""
        return (self.before.version if self.before else 0) + 1


class Waiting(NamedTuple):
    """A job of which nothing runs or ran, and that needs nothing but places: as much as placing it takes."""

    job_id: str
    version: int
    type: str
    priority: int
    needs: str
    deadline: float | None
    vacancies: tuple[Vacancy, ...]


class Store(Protocol):
    """
    Jobs and their events. The events are the truth; each job is the fold of its own.

    Several processes may have the same store open. Reading may go on in one thread while another appends. Every method raises
    StorageUnavailable when the database does not answer or its disk is full, and StoreCorrupt rather than give a wrong answer.
    """

    def __enter__(self) -> Self:
        """The store itself; it is closed at the end of the block."""

    def __exit__(self, *_: object) -> None:
        """Closes it."""

    def close(self) -> None:
        """Give back files and connections. Nothing is lost without it."""

    def append_all(self, changes: Sequence[Change]) -> list[GadusError | None]:
        """
        Remember all changes in one transaction, durable when this returns; each of them whole or not at all.

        In the place of a change: None when it was kept, Conflict when the job is no longer at the version of its `before` or
        the key is known. The others are kept all the same. When this raises, none is.
        """

    def append(self, before: Job | None, after: Job, *events: Event, key: str = "") -> None:
        """Remember one change. Raises Conflict, as `append_all` gives it."""

    def get(self, job_id: str) -> Job:
        """The job with exactly this id. Raises NotFound."""

    def find(self, text: str, namespaces: frozenset[str] | None = None) -> Job:
        """
        The job with this id, the only one whose id begins so, or the newest of this name.

        Jobs of other namespaces than `namespaces`, when given, are not there: neither found, nor what makes an id ambiguous.

        Raises NotFound, or Conflict that lists the candidates.
        """

    def latest_named(self, namespace: str, name: str) -> Job | None:
        """The newest job of that name."""

    def submission(self, namespace: str, key: str) -> str:
        """The id of the job that was submitted with this idempotency key; empty when there is none."""

    def page(
        self,
        *,
        limit: int,
        after: str = "",
        newest_first: bool = True,
        namespaces: frozenset[str] | None = None,
        states: Sequence[State] = (),
        labels: Sequence[Constraint] = (),
    ) -> tuple[Sequence[Job], str]:
        """
        At most `limit` jobs in the order of their creation, and the token that gives the next ones as `after`; no next: "".

        `namespaces` are those in which jobs are looked for; None for all of them.

        A page may be shorter although there is a next one: so that jobs of many executions do not fill the memory.
        Raises Rejected for an `after` that is no such token.
        """

    def page_by_change(
        self,
        *,
        limit: int,
        after: int = 0,
        newest_first: bool = True,
        namespaces: frozenset[str] | None = None,
        labels: Sequence[Constraint] = (),
    ) -> tuple[Sequence[Job], int]:
        """
        The same in the order in which the last change of each was accepted; 0 when there is no next page.

        A job that changes meanwhile is then the latest of all: towards the latest it comes once more, and none is missed.
        """

    def events(self, job_id: str, after_version: int = 0) -> Sequence[tuple[int, Event]]:
        """What happened to a job after that version, in order, with the version that each made. Raises NotFound."""

    def unfinished(self) -> Iterator[Job]:
        """Every job that is not final or of which something still runs, oldest first, except those of `waiting`."""

    def waiting(self) -> Iterator[Waiting]:
        """Every job that needs nothing but places, oldest first, as they all were at one moment. Never an attended one."""

    def counts(self) -> Mapping[tuple[str, str], int]:
        """How many jobs there are of each type in each state. Cheap however many there are."""

    def prove(self) -> None:
        """Read and write a little, durably: whether the store is in order is known when this returns."""

    def changes(self, after: int, *, limit: int = 1000) -> tuple[Sequence[tuple[int, str, int]], int]:
        """
        Which jobs were changed by whomever after the sequence number `after`, and the number to ask with next.

        Each job once: the number of its last change, its id, and the version that it has since.
        With ``limit=0`` the latest number there is. Numbers grow in the order in which changes can be seen: none is missed.
        """
