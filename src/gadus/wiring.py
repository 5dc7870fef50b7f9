"""Which class stands behind which contract."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import count
from typing import Any, Literal

from pydantic import BaseModel

from gadus.backends import inline, local
from gadus.backends.allowed import check_names
from gadus.backends.hardware import this_machine
from gadus.backends.selection import Answers, refusal
from gadus.claim import Living, held, sweep
from gadus.core.capacity import Amounts
from gadus.core.check import check
from gadus.core.defaults import JobDefaults, outside, with_defaults
from gadus.core.errors import GadusError, InvalidSpec, NotFound
from gadus.core.job import Execution, Failure, Job, Outcome
from gadus.core.jobfile.decode import decode_params
from gadus.core.lifecycle import deadline
from gadus.core.nodes import Gpu, Needs, Node, needs_of
from gadus.core.partition import InputParams
from gadus.core.plan import Placing, Plan
from gadus.core.spec import InputSource, JobSpec, SpecConfig, Task
from gadus.manifests import Manifests
from gadus.orchestrator.background import Background
from gadus.orchestrator.following import Watcher
from gadus.orchestrator.readiness import Readiness
from gadus.orchestrator.server import Server
from gadus.orchestrator.service import Service
from gadus.orchestrator.store import Store, Writer, open_store
from gadus.runner.cache import Cache
from gadus.runner.execute import Runner
from gadus.runner.pins import SharedPins
from gadus.runner.plan import Planner, Told
from gadus.runner.stage import Stage
from gadus.shims.asking import Nursery

from . import plugins
from .config import Settings
from .contracts import Engine, Reporter, Source

_SHAPES_KEPT = 10_000
_ENGINE_BACK_SECONDS = 10.0
"""How often an engine that was away is asked whether it is back."""
_MARK_EVERY = 60
"""After so many of these pauses: every ten minutes."""
_COMES_WITH_THE_JOB = "inline"
_TYPES_OF_A_SERVER = ("batch", "ops", "service", "daemon")


@dataclass(frozen=True, slots=True)
class Opened:
    """A server, and the service for its readers. The background fails with what is wrong with the driving, if something is."""

    server: Server
    service: Service
    background: Background
    readiness: Readiness


@contextmanager
def open_service(settings: Settings) -> Iterator[Service]:
    """The service of this data directory, in this process."""
    parts = Parts(settings)
    with store_of(settings) as store:
        yield _service(settings, parts, store)


@asynccontextmanager
async def open_server(settings: Settings, watcher: Watcher, took: Callable[[float], None]) -> AsyncIterator[Opened]:
    """A server that drives the jobs of this data directory while the block lasts; `took` is told of each write of the store."""
    parts = Parts(settings)
    command = (sys.executable, "-P", "-m", "gadus.nursery", str(settings.data_dir), *settings.passed_on)
    with closing(Nursery(command)) as nursery, store_of(settings) as store:
        backend = local.Backend(parts.nodes, settings.shims_dir, nursery, parts.clean_up, parts.forget_job)
        with Writer(store, took) as writer:
            parts.forget_jobs_that_are_over(store)
            async with Background() as background:
                asked = parts.needs_of, parts.needs_from, parts.refusal, parts.completed
                server = Server(store, writer, backend, *asked, watcher, background)
                server.start()
                background.start(parts.clean_up_later())
                service = _service(settings, parts, store, types=_TYPES_OF_A_SERVER)
                yield Opened(server, service, background, Readiness(store, writer, background))


def store_of(settings: Settings) -> Store:
    """The store of the jobs, opened."""
    return open_store(settings.jobs_at, needs=_needs_text, deadline=deadline)


def _service(settings: Settings, parts: Parts, store: Store, **known: Collection[str]) -> Service:
    backend = inline.Backend(parts.nodes, parts.execute, parts.forget_job)
    return Service(settings, store, backend, parts.checked, parts.plan, parts.needs_of, held, **known)


def _needs_text(spec: JobSpec) -> str:
    # Without the defaults of this installation: they may be others when it is read.
    return needs_of(spec, Amounts()).to_json()


def params_model(kind: Literal["engine", "source"], name: str) -> type[BaseModel]:
    """The model of the params of a plugin. Raises InvalidSpec that lists what there is."""
    model: type[BaseModel] = plugins.load("engines" if kind == "engine" else "storage", name).Params
    return model


class Parts:
    """The parts of a node, each made when it is first needed: listing jobs needs no cache and no engine."""

    def __init__(self, settings: Settings) -> None:
        """Raises InvalidSpec for settings that name what is not there."""
        check_names(settings.policy)
        self._settings = settings
        self._engines: dict[str, Engine] = {}
        self._sources: dict[str, Source[Any]] = {}
        self._unswept: set[str] = set()
        self._answers = Answers()
        self._needs_by_default: dict[str, Amounts] = {}

    async def execute(self, job: Job, execution: Execution, reporter: Reporter) -> Outcome:
        """Run one execution here."""
        return await self._runner.execute(job, execution, reporter)

    async def plan(self, spec: JobSpec, placing: Placing, problems: Sequence[Failure], told: Told) -> Plan:
        """What would become of a job on this machine."""
        planner = Planner(self._settings, self._cache, self._manifests, self.source, self.engine)
        return await planner.plan(spec, placing, problems, told)

    def checked(self, spec: JobSpec) -> JobSpec:
        """The spec with canonical params of every plugin it names. Raises InvalidSpec with all problems."""
        problems = check(spec)
        task = spec.task
        changes: dict[str, Any] = {}
        try:
            changes["engine"] = _canonical(task.engine, self._engine_params(task))
            for number, needed in enumerate(self._program_inputs(task)):
                self._checked_source(needed, f"Tasks[0].Engine.Params, module {number + 1}", problems)
        except InvalidSpec as error:
            problems += error.problems
        changes["input_sources"] = tuple(
            self._checked_source(one, f"Tasks[0].InputSources[{number}]", problems)
            for number, one in enumerate(task.input_sources)
        )
        complete = self._with_defaults(spec, problems)
        return complete.model_copy(update={"tasks": (complete.task.model_copy(update=changes),)})

    def completed(self, spec: JobSpec) -> JobSpec:
        """A decoded spec, whose params are canonical, as it will be kept. Raises InvalidSpec with all problems."""
        problems: list[str] = []
        try:
            self._program_inputs(spec.task)
        except InvalidSpec as error:
            problems += error.problems
        return self._with_defaults(spec, problems)

    def _engine_params(self, task: Task) -> BaseModel:
        return decode_params(self.engine(task.engine.type)[1], task.engine.params, "Tasks[0].Engine.Params")

    def _program_inputs(self, task: Task) -> Sequence[InputSource]:
        return self.engine(task.engine.type)[0].program_inputs(self._engine_params(task), task)

    def _with_defaults(self, spec: JobSpec, problems: list[str]) -> JobSpec:
        settings = self._settings
        complete = with_defaults(spec, settings.job_defaults, settings.time_limits)
        problems += outside(complete, settings.time_limits)
        if problems:
            raise InvalidSpec(problems)
        return complete

    def engine(self, name: str) -> tuple[Engine, type[BaseModel]]:
        """The engine for a type name, made once, with the model of its params."""
        found = plugins.load("engines", name)
        if name.lower() not in self._engines:
            self._engines[name.lower()] = found(self._settings)
        return self._engines[name.lower()], found.Params

    def source(self, name: str) -> tuple[Source[Any], type[InputParams]]:
        """The source for a type name, made once, with the model of its params."""
        found = plugins.load("storage", name)
        if name.lower() not in self._sources:
            self._sources[name.lower()] = found(self._settings)
        return self._sources[name.lower()], found.Params

    def _checked_source(self, one: InputSource, where: str, problems: list[str]) -> InputSource:
        try:
            _, model = self.source(one.source.type)
            params = decode_params(model, one.source.params, f"{where}.Source.Params")
        except InvalidSpec as error:
            problems += error.problems
            return one
        return one.model_copy(update={"source": _canonical(one.source, params)})

    def make_all(self) -> None:
        """Make everything, so that a fork of this process finds it made."""
        for name in plugins.names("engines"):
            self.engine(name)[0].ahead()
        for name in plugins.names("storage"):
            self.source(name)
        _ = self._runner

    def start_over(self) -> None:
        """Nothing of one execution is there for the next: no connection, answer or credential. What is on the disk is."""
        self._engines.clear()
        self._sources.clear()
        self._stage.start_over()

    def nodes(self) -> Sequence[Node]:
        """The only node: this machine, if it runs jobs at all."""
        return [self._node] if self._settings.compute else []

    def _gpus(self, numbers: Sequence[int]) -> Sequence[Gpu]:
        # Looking for devices takes a while: only who has some asks.
        return [device for device in self._node.gpu_devices if device.index in numbers] if numbers else ()

    @cached_property
    def _node(self) -> Node:
        return this_machine(self._settings)

    def _defaults(self, kind: str) -> Amounts:
        if kind not in self._needs_by_default:
            needs = self._settings.job_defaults.get(kind, JobDefaults()).needs
            # Who says nothing must fit the smallest machine, too.
            self._needs_by_default[kind] = needs.at_most(self._node.most_for_one)
        return self._needs_by_default[kind]

    def needs_of(self, spec: JobSpec) -> Needs:
        """What an execution of the job is taken to need, if it does not say."""
        return needs_of(spec, self._defaults(spec.type))

    @lru_cache(maxsize=_SHAPES_KEPT)  # noqa: B019 - there is one of these as long as there is the process
    def needs_from(self, text: str, kind: str) -> Needs:
        """Needs of a job of this type as the store has them, with the same defaults."""
        return Needs.from_json(text).with_defaults(self._defaults(kind))

    async def refusal(self, job: Job, _node: Node) -> str:
        """Why the policy of this installation is against a job; empty when it is not."""
        if not self._settings.policy.asks:
            return ""
        return await self._answers.of((job.id, job.edition), lambda: self._asked(job.spec))

    async def _asked(self, spec: JobSpec) -> str:
        policy, needs = self._settings.policy, self.needs_of(spec)
        local_inputs = False
        if policy.local_data_only and not needs.stateless:
            plan = await self.plan(spec, Placing(), (), lambda _objects, _size_bytes: None)
            # A program is no data: its modules may come from anywhere, as an image does.
            data = [one for one in plan.inputs if not one.is_program and one.source != _COMES_WITH_THE_JOB]
            local_inputs = all(one.pin and not one.to_fetch.objects for one in data)
        return await refusal(policy, spec.model_dump_json(by_alias=True).encode(), needs, local_inputs)

    async def clean_up(self, *names: str) -> None:
        """
        End and remove what belongs to executions whose process is gone, in these engines or in all.

        What an engine that is away keeps from being removed goes when it is back, see `clean_up_later`.
        """
        sweep(self._settings.executions_dir)
        self._cache.clean_up()
        for name in names or plugins.names("engines"):
            self._unswept.add(name)
            with suppress(GadusError):
                await self.engine(name)[0].sweep(Living(self._settings.executions_dir))
                self._unswept.discard(name)

    async def clean_up_later(self) -> None:
        """
        For ever: first what an earlier server did not come to, then what could not be removed since its engine was away.

        Now and then it is noted what of the cache outlives a crash of the machine: a server runs for long.
        """
        await self.clean_up()
        for passed in count(1):
            await asyncio.sleep(_ENGINE_BACK_SECONDS)
            if self._unswept:
                await self.clean_up(*self._unswept)
            if passed % _MARK_EVERY == 0:
                self._cache.mark_what_is_durable()

    def forget_jobs_that_are_over(self, store: Store) -> None:
        """Remove what jobs shared that were over before a server that was killed could remove it."""
        for job_id in self._shared_pins.jobs():
            try:
                job = store.get(job_id)
            except NotFound:
                self.forget_job(job_id)
            else:
                if job.state.final and not job.live:
                    self.forget_job(job_id)

    def forget_job(self, job_id: str) -> None:
        """Nothing of the job runs any more, or will."""
        self._shared_pins.forget(job_id)

    @cached_property
    def _runner(self) -> Runner:
        return Runner(self._settings, self._stage, self.engine, self._gpus)

    @cached_property
    def _stage(self) -> Stage:
        return Stage(self._cache, self._manifests, self._shared_pins, self.source)

    @cached_property
    def _cache(self) -> Cache:
        return Cache(self._settings.cache_dir, limit_bytes=self._settings.cache_limit_bytes)

    @cached_property
    def _shared_pins(self) -> SharedPins:
        return SharedPins(self._settings.data_dir / "pins")

    @cached_property
    def _manifests(self) -> Manifests:
        return Manifests(self._settings.manifests_dir)


def _canonical(config: SpecConfig, params: BaseModel) -> SpecConfig:
    # Only what was given: a default that changes in a later version then changes for this job, too, when it is run again.
    given = params.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return config.model_copy(update={"params": given})
