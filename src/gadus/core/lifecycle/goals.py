"""
What each type of job asks for.

    batch     every index of Count once to its end           service   every index of Count running, always
    ops       once on every node that matches at its start   daemon    one on every node that matches, always
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from gadus.core.job import Action, Execution, Job, Match, Matched, State, Unplaceable

from .changes import finished, of_index, runs, vacate, vacate_all
from .retries import first_real, lost, may_try_again, pause_after, pause_before_replacing

Decision = tuple[Job, tuple[Action, ...]]

_ENDED_KEPT = 10
"""Ended executions that a job without an end keeps of each index; its events have them all."""


class Goal(ABC):
    """The rules of one type. Each method is told of a job that is not final and gives what becomes of it."""

    def matches_nodes(self, job: Job) -> bool:
        """Whether the job waits to be told which nodes match."""
        return False

    def begin(self, job: Job, at: float) -> Decision:
        """A new edition: what is to be placed, beside what still ends of the one before."""
        if job.spec.count == 0:
            return finished(job, State.COMPLETED, "")
        held = {execution.index for execution in job.live}
        return vacate_all(job, {index: "" for index in range(job.spec.count) if index not in held}, at)

    def matched(self, job: Job, event: Matched) -> Decision:
        """These nodes match."""
        return job, ()

    def freed(self, job: Job, execution: Execution, at: float) -> Decision:
        """An execution of an earlier edition is out of the way."""
        index = execution.index
        held = index in {one.index for one in job.live}
        return (job, ()) if held or index >= job.spec.count else vacate(job, index, at)

    @abstractmethod
    def ended(self, job: Job, execution: Execution, at: float) -> Decision:
        """An execution of this edition is over."""

    def unplaceable(self, job: Job, event: Unplaceable) -> Decision:
        """No node could ever run what waits: an end for who has no time to wait, a reason to wait for who has."""
        if job.spec.task.timeouts.queue_timeout:
            return job.model_copy(update={"message": event.message}), ()
        return self._failed_in_the_queue(job, event)

    def _failed_in_the_queue(self, job: Job, event: Unplaceable) -> Decision:
        failed = [one for one in self._tried(job) if one.outcome and one.outcome.error]
        why = f"{first_real(failed).message}; it could not be tried again: {event.message}" if failed else event.message
        return finished(job, State.FAILED, why)

    def _tried(self, job: Job) -> list[Execution]:
        """What was tried, oldest first, of the indexes that wait now."""
        waiting = {vacancy.index for vacancy in job.vacancies}
        return [one for one in job.executions if one.edition == job.edition and one.index in waiting]


class Batch(Goal):
    """Every index once to its end, with whatever exit code; an index that fails is tried again alone."""

    def ended(self, job: Job, execution: Execution, at: float) -> Decision:
        """Complete with the last index; failed with the first that no retry can help."""
        if execution.state is State.COMPLETED:
            return (job, ()) if job.vacancies or runs(job) or self._held(job) else finished(job, State.COMPLETED, "")
        tries = of_index(job, execution.index)
        if may_try_again(tries, attended=job.attended):
            return vacate(job, execution.index, at, attempt=execution.attempt + 1, pause_seconds=pause_after(tries))
        return finished(job, State.FAILED, first_real(tries).message)

    def _held(self, job: Job) -> bool:
        """Whether an execution of an earlier edition holds one of the indexes."""
        return any(one.index < job.spec.count for one in job.live)


class Service(Goal):
    """Every index running: what ends is replaced, unless it failed in a way that no retry can help."""

    def ended(self, job: Job, execution: Execution, at: float) -> Decision:
        """Replaced; sooner when it had lasted."""
        outcome = execution.outcome
        if outcome is not None and outcome.error is not None and not outcome.can_retry:
            return finished(job, State.FAILED, outcome.error.message)
        return _replace(job, execution, at)

    def _tried(self, job: Job) -> list[Execution]:
        """Only the last ones: what was replaced long ago is no reason any more."""
        last = {one.index: one for one in super()._tried(job)}
        return sorted(last.values(), key=lambda one: one.created_at)


class _ByNode(Goal):
    """
    One execution on each matching node: its index is the node's number in the order in which they matched.

    That order is another one in each edition, so that here it is the node that an earlier edition holds.
    """

    def begin(self, job: Job, at: float) -> Decision:
        return job, (Match(),)

    def matched(self, job: Job, event: Matched) -> Decision:
        new = tuple(dict.fromkeys(node for node in event.nodes if node not in job.nodes))
        first = len(job.nodes)
        job = job.model_copy(update={"nodes": (*job.nodes, *new)})
        held = {execution.node for execution in job.live}
        return vacate_all(job, {index: node for index, node in enumerate(new, first) if node not in held}, event.at)

    def freed(self, job: Job, execution: Execution, at: float) -> Decision:
        node = execution.node
        if node not in job.nodes or node in {one.node for one in job.live}:
            return job, ()
        return vacate(job, job.nodes.index(node), at, node=node)

    def _nothing_left(self, job: Job) -> bool:
        """Whether every node has had its execution, and none runs or waits."""
        present = [one for one in job.executions if one.edition == job.edition]
        return not job.vacancies and not runs(job) and len({one.index for one in present}) == len(job.nodes)


class Ops(_ByNode):
    """Once on every node that matches when the job begins; complete when none is left, failed if one failed."""

    def matches_nodes(self, job: Job) -> bool:
        return not job.state.final and not job.nodes

    def matched(self, job: Job, event: Matched) -> Decision:
        if job.nodes:
            return job, ()
        if not event.nodes:
            return finished(job, State.FAILED, "no matching nodes to run job")
        return super().matched(job, event)

    def ended(self, job: Job, execution: Execution, at: float) -> Decision:
        tries = of_index(job, execution.index)
        if execution.state is not State.COMPLETED and may_try_again(tries, attended=job.attended):
            pause = pause_after(tries)
            node = job.nodes[execution.index]
            return vacate(job, execution.index, at, attempt=execution.attempt + 1, pause_seconds=pause, node=node)
        if not self._nothing_left(job):
            return job, ()
        if first := _first_that_failed(job):
            error = first_real(of_index(job, first.index))
            return finished(job, State.FAILED, f"node {first.node}: {error.message}")
        return finished(job, State.COMPLETED, "")

    def unplaceable(self, job: Job, event: Unplaceable) -> Decision:
        return self._failed_in_the_queue(job, event)


class Daemon(_ByNode):
    """One on every matching node, also on those that join later; a node where it cannot run is left alone."""

    def matches_nodes(self, job: Job) -> bool:
        return not job.state.final

    def ended(self, job: Job, execution: Execution, at: float) -> Decision:
        outcome = execution.outcome
        if outcome is None or outcome.error is None or outcome.can_retry:
            return _replace(job, execution, at, node=job.nodes[execution.index])
        if not self._nothing_left(job):
            return job.model_copy(update={"message": f"node {execution.node}: {outcome.error.message}"}), ()
        first = _first_that_failed(job) or execution
        error = first_real([first])
        return finished(job, State.FAILED, f"node {first.node}: {error.message}")

    def unplaceable(self, job: Job, event: Unplaceable) -> Decision:
        return job.model_copy(update={"message": event.message}), ()


_GOALS = {"batch": Batch(), "service": Service(), "ops": Ops(), "daemon": Daemon()}


def goal_of(job: Job) -> Goal:
    """The rules of this job's type."""
    return _GOALS[job.spec.type]


def _replace(job: Job, execution: Execution, at: float, node: str = "") -> Decision:
    ended = of_index(job, execution.index)
    pause = pause_before_replacing(ended)
    gone = {one.id for one in ended[:-_ENDED_KEPT]}
    if gone:
        job = job.model_copy(update={"executions": tuple(one for one in job.executions if one.id not in gone)})
    return vacate(job, execution.index, at, attempt=execution.attempt + 1, pause_seconds=pause, node=node)


def _first_that_failed(job: Job) -> Execution | None:
    """Of the last executions on all nodes, the one that failed first: rather one that met an error than one that was lost."""
    last = {one.index: one for one in job.executions if one.edition == job.edition}
    failed = [one for one in last.values() if one.state is not State.COMPLETED]
    return min(failed, key=lambda one: (lost(one), one.modified_at), default=None)
