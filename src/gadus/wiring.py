"""Which class stands behind which contract."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Literal

import uvloop
from pydantic import BaseModel

from gadus.backends.local import Backend
from gadus.core.check import check
from gadus.core.errors import InvalidSpec
from gadus.core.job import Failure, Job, Outcome, Place
from gadus.core.jobfile.decode import decode_params
from gadus.core.partition import InputParams
from gadus.core.plan import Placing, Plan
from gadus.core.spec import InputSource, JobSpec, SpecConfig
from gadus.manifests import Manifests
from gadus.orchestrator.service import Service
from gadus.orchestrator.store import Store
from gadus.runner.cache import Cache
from gadus.runner.claim import held
from gadus.runner.execute import Runner
from gadus.runner.plan import Planner, Told
from gadus.runner.stage import Stage

from . import plugins
from .config import Settings
from .contracts import Engine, Reporter, Source


@contextmanager
def open_service(settings: Settings) -> Iterator[Service]:
    """The service of this data directory, in this process."""
    parts = _Parts(settings)
    with Store(settings.store_path) as store:
        yield Service(settings, store, Backend(settings, parts.execute), parts.checked, parts.plan, held)


def params_model(kind: Literal["engine", "source"], name: str) -> type[BaseModel]:
    """The model of the params of a plugin. Raises InvalidSpec that lists what there is."""
    model: type[BaseModel] = plugins.load("engines" if kind == "engine" else "storage", name).Params
    return model


def new_event_loop() -> asyncio.AbstractEventLoop:
    """The event loop that jobs are driven in: many small objects take less CPU in it than in asyncio's own."""
    return uvloop.new_event_loop()


class _Parts:
    """The parts of a node, each made when it is first needed: listing jobs needs no cache and no engine."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engines: dict[str, Engine] = {}
        self._sources: dict[str, Source[Any]] = {}

    async def execute(self, job: Job, place: Place, reporter: Reporter) -> Outcome:
        """Run one execution here."""
        return await self._runner.execute(job, place, reporter)

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
            engine, model = self.engine(task.engine.type)
            params = decode_params(model, task.engine.params, "Tasks[0].Engine.Params")
            changes["engine"] = _canonical(task.engine, params)
            for number, needed in enumerate(engine.program_inputs(params, task)):
                self._checked_source(needed, f"Tasks[0].Engine.Params, module {number + 1}", problems)
        except InvalidSpec as error:
            problems += error.problems
        changes["input_sources"] = tuple(
            self._checked_source(one, f"Tasks[0].InputSources[{number}]", problems)
            for number, one in enumerate(task.input_sources)
        )
        if problems:
            raise InvalidSpec(problems)
        return spec.model_copy(update={"tasks": (task.model_copy(update=changes),)})

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

    @cached_property
    def _runner(self) -> Runner:
        return Runner(self._settings, Stage(self._cache, self._manifests, self.source), self.engine)

    @cached_property
    def _cache(self) -> Cache:
        return Cache(self._settings.cache_dir, limit_bytes=self._settings.cache_limit_bytes)

    @cached_property
    def _manifests(self) -> Manifests:
        return Manifests(self._settings.manifests_dir)


def _canonical(config: SpecConfig, params: BaseModel) -> SpecConfig:
    # Only what was given: a default that changes in a later version then changes for this job, too, when it is run again.
    given = params.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return config.model_copy(update={"params": given})
