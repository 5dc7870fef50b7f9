"""Accepts and changes jobs where no server drives them: each is run by a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gadus.core.capacity import Amounts
from gadus.core.errors import Conflict
from gadus.core.job import Job
from gadus.core.placement import Node
from gadus.core.spec import JobSpec

from .service import Service


class Alone:
    """The jobs of one data directory, without a server. `begin` leaves a process behind that runs the job of this id."""

    def __init__(self, service: Service, begin: Callable[[str], None]) -> None:
        self._service = service
        self._begin = begin

    async def submit(self, spec: JobSpec, *, key: str = "", by_name: bool = False, force: bool = False) -> Job:
        """Accept a job and have it run. Raises InvalidSpec."""
        # Who submits here waits for the answer, so none is asked for twice; and what is updated by its name needs a server.
        del key, by_name, force
        job = self._service.submit(spec)
        self._begin(job.id)
        return job

    async def stop(self, job: Job, reason: str) -> Job:
        """Ask for the end of a job. Raises Conflict when it has ended."""
        return self._service.stop(job.id, reason)

    async def rerun(self, job: Job, *, edition: int = 0, reason: str = "") -> Job:
        """The job once more. Raises NotFound, and Conflict while it runs."""
        if not job.state.final or job.live:
            raise Conflict(f"job {job.id} is {job.state.value}", hint=f"stop it first: gadus job stop {job.id}")
        renewed = self._service.renew(job, edition, reason)
        if renewed.attended:
            self._begin(renewed.id)
        return renewed

    def editions(self, job: Job) -> dict[int, JobSpec]:
        """Every spec that the job had, by its number."""
        return self._service.editions(job)

    def job(self, job_id: str) -> Job:
        """The job as it is now. Raises NotFound."""
        return self._service.find(job_id)

    def why_it_waits(self, job: Job) -> str:
        """Every reason of this machine against what waits of the job; empty when there is none."""
        return "; ".join(self._service.reasons_against(job.spec)) if job.vacancies else ""

    @property
    def waiting(self) -> int:
        """Nothing waits: what does not fit is refused."""
        return 0

    @property
    def follows(self) -> int:
        """How many jobs run here."""
        return self._service.running()

    def nodes(self) -> Sequence[tuple[Node, Amounts, int]]:
        """The machine itself, with all that it gives to jobs."""
        return [(node, node.total, self._service.running()) for node in self._service.nodes()]
