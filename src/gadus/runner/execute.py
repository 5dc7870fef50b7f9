"""The heart: one execution, from its spec to its outcome. Stage while preparing, run, keep the results."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from gadus.claim import Living, sweep
from gadus.config import Settings
from gadus.contracts import Engine, Mount, Program, Reporter, Silent
from gadus.core.errors import GadusError
from gadus.core.job import Execution, Failure, Job, Outcome, Phase
from gadus.core.nodes import Gpu

from .account import Account
from .limits import limited, run_within_limits
from .logs import Logs
from .receipt import keep_records, receipt
from .stage import Stage, StagedInput
from .workplace import Workplace, workplace

FindGpus = Callable[[Sequence[int]], Sequence[Gpu]]
"""The devices of this machine with these numbers."""
FindEngine = Callable[[str], tuple[Engine, type[BaseModel]]]
"""The engine for a type name, and the model of its params."""


class Runner:
    """Runs executions on this machine."""

    def __init__(self, settings: Settings, stage: Stage, find_engine: FindEngine, find_gpus: FindGpus) -> None:
        self._settings = settings
        self._stage = stage
        self._find_engine = find_engine
        self._find_gpus = find_gpus
        self._swept: set[str] = set()
        # What is left after this belongs to processes that live.
        sweep(settings.executions_dir)

    async def execute(self, job: Job, execution: Execution, reporter: Reporter) -> Outcome:
        """
        How the execution ended; whatever the program left is kept, also after a non-zero exit.

        Errors become the outcome; cancellation passes through. On every exit nothing of the execution is left but its results.
        """
        account = Account()
        try:
            # The inputs stay in the cache until nothing of the execution needs them any more.
            with ExitStack() as leases, workplace(self._settings, execution.id) as room:
                return await self._execute(job, execution, room, reporter, account, leases)
        except GadusError as error:
            failure = Failure(kind=error.kind, message=error.message, hint=error.hint)
            told = account.so_far(self._stage.source_errors())
            return Outcome(error=failure, can_retry=error.can_retry, receipt=told)

    async def _execute(
        self, job: Job, execution: Execution, room: Workplace, reporter: Reporter, account: Account, leases: ExitStack
    ) -> Outcome:
        task = job.spec.task
        engine, params_model = self._find_engine(task.engine.type)
        params = params_model.model_validate(task.engine.params)

        reporter.phase(Phase.STAGING)
        program = _program(job, execution, params, self._find_gpus(execution.gpus))
        ready = await self._make_ready(engine, program, job, execution, room, reporter, account, leases)

        reporter.phase(Phase.RUNNING)
        kept = self._settings.results_of(job.id, execution.id)
        with Logs(room.results, reporter.output, limit_bytes=self._settings.log_limit_bytes) as logs:
            try:
                async with account.measuring("running"):
                    exit_code = await run_within_limits(engine, ready.program, task, logs)
                logs.close()
            except (GadusError, asyncio.CancelledError):
                # What it wrote until then helps its author to see why.
                logs.close()
                account.receipt = receipt(execution.id, ready.inputs, account.seconds, logs)
                _keep(execution, room, kept, ready, None, account.receipt)
                raise

        reporter.phase(Phase.PUBLISHING)
        # Also after a non-zero exit: the author needs the outputs to see why.
        account.receipt = receipt(execution.id, ready.inputs, account.seconds, logs)
        told = account.so_far(self._stage.source_errors())
        _keep(execution, room, kept, ready, exit_code, told)
        return Outcome(exit_code=exit_code, receipt=told)

    async def _make_ready(
        self,
        engine: Engine,
        program: Program,
        job: Job,
        execution: Execution,
        room: Workplace,
        reporter: Reporter,
        account: Account,
        leases: ExitStack,
    ) -> _Ready:
        """Stage the inputs and prepare the engine, side by side."""
        task, phases = job.spec.task, self._settings.phases

        async def prepare() -> Program:
            limit = limited("preparing the program", phases.preparing_seconds, "GADUS_PREPARING_TIMEOUT")
            async with limit, account.measuring("preparing"):
                await self._sweep(engine, task.engine.name)
                needed = engine.program_inputs(program.params, task)
                files = await self._stage.stage(job, execution, needed, room.inputs, _EngineOnly(reporter), leases)
                named = replace(program, files={one.target: one.path for one in files})
                await engine.prepare(named, reporter)
                reporter.prepared()
                return named

        async def stage() -> list[StagedInput]:
            limit = limited("staging the inputs", phases.staging_seconds, "GADUS_STAGING_TIMEOUT")
            async with limit, account.measuring("staging"):
                return await self._stage.stage(job, execution, task.input_sources, room.inputs, reporter, leases)

        try:
            async with asyncio.TaskGroup() as group:
                preparing = group.create_task(prepare())
                staging = group.create_task(stage())
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        inputs = staging.result()
        mounts = (
            *(Mount(source=one.path, target=one.target, writable=one.writable) for one in inputs),
            *room.result_mounts(task),
        )
        return _Ready(replace(preparing.result(), mounts=mounts), inputs)

    async def _sweep(self, engine: Engine, name: str) -> None:
        """Once for each engine: end what a killed process left running in it."""
        if name not in self._swept:
            self._swept.add(name)
            await engine.sweep(Living(self._settings.executions_dir))


@dataclass(frozen=True, slots=True)
class _Ready:
    program: Program
    inputs: Sequence[StagedInput]


class _EngineOnly(Silent):
    """A program's own files are not the user's data: only the engine's work on them is shown."""

    def __init__(self, reporter: Reporter) -> None:
        self.preparing = reporter.preparing  # type: ignore[method-assign] # passed on as it is
        self.prepared = reporter.prepared  # type: ignore[method-assign] # passed on as it is


def _keep(
    execution: Execution, room: Workplace, into: Path, ready: _Ready, exit_code: int | None, told: Mapping[str, Any]
) -> None:
    keep_records(execution.id, ready.inputs, room.records)
    room.keep(into, exit_code=exit_code, receipt=told)


def _program(job: Job, execution: Execution, params: BaseModel, gpus: Sequence[Gpu]) -> Program:
    task = job.spec.task
    return Program(
        execution_id=execution.id,
        job_id=job.id,
        params=params,
        environment={**task.env, **_system_environment(job, execution)},
        cpu_cores=task.resources.cpu_cores,
        memory_bytes=task.resources.memory_bytes,
        network=task.network.type,
        gpus=gpus,
    )


def _system_environment(job: Job, execution: Execution) -> Mapping[str, str]:
    """What every program is told about itself, under Bacalhau's names and ours."""
    index, count = job.part_of(execution)
    values = {
        "EXECUTION_ID": execution.id,
        "JOB_ID": job.id,
        "JOB_TYPE": job.spec.type,
        "PARTITION_INDEX": str(index),
        "PARTITION_COUNT": str(count),
    }
    return {f"{owner}_{name}": value for owner in ("BACALHAU", "GADUS") for name, value in values.items()}
