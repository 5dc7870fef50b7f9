"""What a server would do: it carries out the actions of the lifecycle, and knows nothing else of the job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gadus.core.job import (
    Action,
    Ended,
    Event,
    Job,
    Match,
    Matched,
    Outcome,
    Place,
    Placed,
    Renewed,
    Stop,
    StopRequested,
    Watch,
    Withdraw,
)
from gadus.core.lifecycle import decide, resume

NODES = ("a", "b", "c", "d")
STEPS_OUT = 60
"""More than enough for any job of these tests to come to its end, when nothing goes wrong any more."""


@dataclass
class World:
    """The queue, the executions that are watched, and those of them that were told to end."""

    waiting: dict[str, Place] = field(default_factory=dict)
    watched: set[str] = field(default_factory=set)
    told_to_stop: set[str] = field(default_factory=set)
    matching: bool = False

    def act(self, actions: Sequence[Action]) -> None:
        """Carry out; what is asked for twice, or of what is not there, is a defect of who asks."""
        for action in actions:
            match action:
                case Place(vacancy=vacancy):
                    assert vacancy.id not in self.waiting
                    assert vacancy.id not in self.watched
                    self.waiting[vacancy.id] = action
                case Withdraw(execution_id=gone):
                    del self.waiting[gone]
                case Watch(execution_id=begun):
                    assert begun not in self.watched
                    self.watched.add(begun)
                case Stop(execution_id=unwanted):
                    assert unwanted in self.watched
                    assert unwanted not in self.told_to_stop
                    self.told_to_stop.add(unwanted)
                case Match():
                    self.matching = True

    def happened(self, event: Event, job: Job, actions: Sequence[Action]) -> None:
        """What the event itself changes here, then what is to be done about it."""
        match event:
            case Placed():
                del self.waiting[event.execution_id]
            case Ended():
                self.watched.discard(event.execution_id)
                self.told_to_stop.discard(event.execution_id)
            case Renewed():
                self.matching = False
        self.act(actions)
        self.matching = self.matching and not job.state.final and (job.spec.type == "daemon" or not job.nodes)


def world_of(job: Job) -> World:
    """The world of a server that lost its memory and read the job again."""
    world = World()
    world.act(resume(job))
    return world


def way_out(job: Job, at: float) -> tuple[Job, World]:
    """
    The job after everything that waits was placed and everything that runs ended well, again and again, until nothing is left.

    A job without an end is stopped once everything of it runs.
    """
    world = world_of(job)
    for _ in range(STEPS_OUT):
        if (event := _next(job, world, at)) is None:
            return job, world
        job, actions = decide(job, event)
        world.happened(event, job, actions)
    raise AssertionError(f"no way out of {job!r}")


def _next(job: Job, world: World, at: float) -> Event | None:
    if world.matching and not job.nodes:
        return Matched(at=at, nodes=NODES[:2])
    if world.waiting:
        vacancy = next(iter(world.waiting.values())).vacancy
        return Placed(at=at, execution_id=vacancy.id, node=vacancy.node or NODES[0])
    endless = job.spec.type in ("service", "daemon") and not job.state.final
    ending = [one for one in job.live if one.stopping or not endless]
    if ending:
        return Ended(at=at, execution_id=ending[0].id, outcome=Outcome(exit_code=0))
    if endless:
        return StopRequested(at=at, reason="enough")
    return None
