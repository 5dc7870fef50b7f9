"""
All inputs of an execution, staged at once: the first error cancels the rest.

    not known yet ──▶ listed, and fetched meanwhile ──▶ pinned, for this and every other execution of the job
    pinned ──▶ access asked ──▶ the tree is here: nothing to do │ grown from the manifest
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from gadus.contracts import Counting, Reporter, Source
from gadus.core.job import Execution, Job, Pin
from gadus.core.partition import InputParams
from gadus.core.spec import InputSource
from gadus.manifests import Manifests

from .cache import Cache, Tree
from .input import Input
from .pins import SharedPins
from .private import writable_copy
from .share import Share

FindSource = Callable[[str], tuple[Source[Any], type[InputParams]]]
"""The source for a type name, and the model of its params."""

_PINS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class StagedInput:
    """One input on this machine: what it is as a whole, the part of this execution, and where the program finds that."""

    target: str
    pin: Pin
    share: Share
    tree: Tree
    path: Path
    writable: bool
    seconds: float


class Stage:
    """Brings inputs to this machine, through the cache where what they are is pinned."""

    def __init__(self, cache: Cache, manifests: Manifests, shared_pins: SharedPins, find_source: FindSource) -> None:
        self._cache = cache
        self._shared_pins = shared_pins
        self._manifests = manifests
        self._find_source = find_source
        self._numbers = count()
        self._pins: dict[tuple[str, str], asyncio.Future[Pin]] = {}
        """What each input of a job is, for its executions that run here at the same time."""
        self._asked: set[str] = set()

    def start_over(self) -> None:
        """Know nothing of the executions there were. None may run."""
        self._pins.clear()
        self._asked.clear()

    def source_errors(self) -> Mapping[str, int]:
        """What went wrong on the way to the sources, by cause, since this was asked last; of all executions here together."""
        errors: Counter[str] = Counter()
        for name in self._asked:
            source, _ = self._find_source(name)
            if isinstance(source, Counting):
                errors.update(source.errors())
        return errors

    async def stage(
        self,
        job: Job,
        execution: Execution,
        inputs: Sequence[InputSource],
        private: Path,
        reporter: Reporter,
        leases: ExitStack,
    ) -> list[StagedInput]:
        """
        Every input, whole and verified, in the order given; it stays as long as `leases` is open.

        `private` is an existing directory of the execution, for inputs that are its own.
        """
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._one(job, execution, one, private / str(next(self._numbers)), reporter, leases))
                    for one in inputs
                ]
        except BaseExceptionGroup as failures:
            # The others were cancelled because of the first: it is the one to show.
            raise failures.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _one(
        self, job: Job, execution: Execution, one: InputSource, private: Path, reporter: Reporter, leases: ExitStack
    ) -> StagedInput:
        self._asked.add(one.source.name)
        source, params_model = self._find_source(one.source.type)
        params = params_model.model_validate(one.source.params)
        share = Share(params, *job.part_of(execution))
        input_ = Input(self._cache, self._manifests, one, source, params, share, private, reporter, leases)
        start = asyncio.get_running_loop().time()
        async with input_.reported.telling():
            pin, tree = await self._pinned_and_here(job, input_)
            path = await writable_copy(tree.path, private) if params.read_write else tree.path
        seconds = asyncio.get_running_loop().time() - start
        return StagedInput(one.target, pin, share, tree, path, params.read_write, seconds)

    async def _pinned_and_here(self, job: Job, input_: Input) -> tuple[Pin, Tree]:
        key = (job.id, input_.one.target)
        while True:
            known = next((pin for pin in job.pins if pin.target == input_.one.target), None)
            waiting = self._pins.get(key)
            if known is None and waiting is None:
                return await self._lead(job, key, input_)
            if known is None and waiting is not None:
                try:
                    known = await asyncio.shield(waiting)
                except asyncio.CancelledError:
                    if not waiting.cancelled():
                        raise
                    # Who was to find out was stopped: somebody else has to.
                    continue
            if known is not None:
                return known, await input_.bring(known, asked_just_now=waiting is not None)

    async def _lead(self, job: Job, key: tuple[str, str], input_: Input) -> tuple[Pin, Tree]:
        """Find out what the input is, for every execution that waits for it."""
        answer: asyncio.Future[Pin] = asyncio.get_running_loop().create_future()
        while len(self._pins) >= _PINS_KEPT:
            del self._pins[next(iter(self._pins))]
        self._pins[key] = answer
        try:
            if job.spec.count == 1 and job.spec.type in ("batch", "service"):
                return await input_.list_and_bring(answer.set_result)
            return await self._lead_all(job, answer, input_)
        except BaseException as exc:
            if not answer.done():
                # Those of very many other inputs may have taken its place.
                self._pins.pop(key, None)
                if isinstance(exc, Exception):
                    answer.set_exception(exc)
                    # Often nobody waits: then it is not an error that nobody asked.
                    answer.exception()
                else:
                    answer.cancel()
            raise

    async def _lead_all(self, job: Job, answer: asyncio.Future[Pin], input_: Input) -> tuple[Pin, Tree]:
        """As `_lead`, for the executions in other processes, too; one of these may have found it out."""
        async with self._shared_pins.turn(job, input_.one.target) as (known, tell):
            if known is None:

                def pinned(pin: Pin) -> None:
                    tell(pin)
                    answer.set_result(pin)

                return await input_.list_and_bring(pinned)
        answer.set_result(known)
        return known, await input_.bring(known, asked_just_now=False)
