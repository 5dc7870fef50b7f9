"""Runs a program as a container of a Docker-compatible engine on this machine: Docker, or Podman's Docker socket."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Container, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from aiodocker import Docker
from pydantic import BaseModel, Field, field_validator

from gadus.config import Settings
from gadus.contracts import Examined, Output, Program, Reporter
from gadus.core.errors import Bug, EngineLost, EngineUnavailable, GadusError, ProgramUnusable
from gadus.core.spec import InputSource, NetworkType, Task, Text, Trimmed, Wire

from ._docker_client import ASK_SECONDS, connected
from ._docker_container import REMOVE_SECONDS, name_of, remove, run_container
from ._docker_examine import about_engine, examined_image
from ._docker_host import host_config
from ._docker_pull import Pulls

EXECUTION_LABEL = "gadus.execution"
JOB_LABEL = "gadus.job"
INSTALLATION_LABEL = "gadus.installation"


# The name becomes part of an address of the engine's interface: nothing in it may lead to another place there.
_IMAGE = re.compile(r"(?!.*(?:\.\.|//))[A-Za-z0-9][A-Za-z0-9._:/@-]{0,511}")


class Params(Wire):
    """``Engine.Params`` of a docker job; empty lists leave what the image says."""

    image: Trimmed = Field("", alias="Image", validate_default=True)
    entrypoint: tuple[Text, ...] = Field((), alias="Entrypoint")
    parameters: tuple[Text, ...] = Field((), alias="Parameters")
    environment_variables: tuple[Text, ...] = Field((), alias="EnvironmentVariables")
    working_directory: Text = Field("", alias="WorkingDirectory")

    @field_validator("entrypoint", "parameters", "environment_variables", mode="before")
    @classmethod
    def _list_to_tuple(cls, value: object) -> object:
        if value is None:
            return ()
        return tuple(value) if isinstance(value, list) else value

    @field_validator("image")
    @classmethod
    def _names_an_image(cls, image: str) -> str:
        if not image:
            raise ValueError("invalid docker engine param: 'Image' cannot be empty")
        if not _IMAGE.fullmatch(image):
            raise ValueError(f"invalid docker engine param: 'Image' ({image!r}) is not the name of an image")
        return image

    @field_validator("environment_variables")
    @classmethod
    def _have_names(cls, variables: tuple[str, ...]) -> tuple[str, ...]:
        for variable in variables:
            if variable.find("=") < 1:
                raise ValueError(f"invalid docker engine param: 'EnvironmentVariables' ({variable!r}) must be KEY=value")
        return variables

    @field_validator("working_directory")
    @classmethod
    def _is_absolute(cls, directory: str) -> str:
        if directory and not directory.startswith("/"):
            raise ValueError(f"invalid docker engine param: 'WorkingDirectory' (\"{directory}\") must contain absolute path")
        return directory


class Engine:
    """See `contracts.Engine`. Containers are found again by labels, so that a sweep never touches another's."""

    Params = Params

    def __init__(self, settings: Settings) -> None:
        self._docker_host = settings.docker_host
        self._installation = hashlib.sha256(str(settings.data_dir).encode()).hexdigest()[:12]
        self._pulls = Pulls()
        # Containers that could not be removed, since their engine was away.
        self._left: set[str] = set()

    def program_inputs(self, params: BaseModel, task: Task) -> Sequence[InputSource]:  # noqa: ARG002 -- the contract's
        """Nothing: the engine pulls the image itself."""
        return ()

    def ahead(self) -> None:
        """Nothing: what a container needs is the engine's."""

    async def examine(self, program: Program) -> Examined:
        """Whether an engine answers, and whether the image is here or could be pulled."""
        try:
            _check_network(program.network)
            async with connected(self._docker_host) as docker:
                engine = await about_engine(docker)
                image = await examined_image(docker, _params_of(program).image)
        except GadusError as exc:
            return Examined(ready=False, problems=[f"{exc.message}; {exc.hint}"])
        return replace(image, notes=[engine, *image.notes])

    async def prepare(self, program: Program, reporter: Reporter) -> None:
        """The image is on this machine."""
        params = _params_of(program)
        _check_network(program.network)
        async with connected(self._docker_host) as docker:
            await self._pulls.make_present(docker, params.image, reporter)

    async def run(self, program: Program, output: Output) -> int:
        """The exit code of the container."""
        _check_network(program.network)
        started = asyncio.Event()
        try:
            async with connected(self._docker_host) as docker:
                await self._remove_left(docker)
                return await run_container(docker, program, await self._order(docker, program), output, started)
        except EngineUnavailable as error:
            # It may come back, and the container with it.
            self._left.add(name_of(program.execution_id))
            if started.is_set() and not isinstance(error, EngineLost):
                raise EngineLost(error.message, hint=error.hint) from error
            raise

    async def own_disk_bytes(self, program: Program) -> int:
        """What the container has written besides its mounts."""
        with suppress(GadusError):
            async with connected(self._docker_host) as docker, asyncio.timeout(ASK_SECONDS):
                shown = await docker.containers.container(name_of(program.execution_id)).show(size=1)
                return int(shown.get("SizeRw") or 0)
        return 0

    async def sweep(self, keep: Container[str]) -> None:
        """Removes the containers of this installation whose execution is not to be kept."""
        async with connected(self._docker_host) as docker:
            async with asyncio.timeout(ASK_SECONDS):
                ours = {"label": [f"{INSTALLATION_LABEL}={self._installation}"]}
                containers = await docker.containers.list(all=True, filters=ours)
            for container in containers:
                execution_id = container["Labels"].get(EXECUTION_LABEL, "")
                if execution_id not in keep:
                    async with asyncio.timeout(REMOVE_SECONDS):
                        await remove(docker, container.id)

    async def _remove_left(self, docker: Docker) -> None:
        for name in sorted(self._left):
            async with asyncio.timeout(REMOVE_SECONDS):
                await remove(docker, name)
            self._left.discard(name)

    async def _order(self, docker: Docker, program: Program) -> dict[str, Any]:
        """The body of Docker's create call."""
        params = _params_of(program)
        environment = dict(variable.split("=", 1) for variable in params.environment_variables) | dict(program.environment)
        order: dict[str, Any] = {
            "Image": params.image,
            "Env": [f"{name}={value}" for name, value in environment.items()],
            "AttachStdout": True,
            "AttachStderr": True,
            "Labels": {
                EXECUTION_LABEL: program.execution_id,
                JOB_LABEL: program.job_id,
                INSTALLATION_LABEL: self._installation,
            },
            "HostConfig": host_config(program) | {"Init": await _has_init(docker)},
        }
        # Empty is not the same as left out: it would wipe what the image says.
        if params.entrypoint:
            order["Entrypoint"] = list(params.entrypoint)
        if params.parameters:
            order["Cmd"] = list(params.parameters)
        if params.working_directory:
            order["WorkingDir"] = params.working_directory
        return order


def _params_of(program: Program) -> Params:
    if not isinstance(program.params, Params):
        raise Bug(f"execution {program.execution_id}: its params are {type(program.params).__name__}, not docker's")
    return program.params


def _check_network(network: NetworkType) -> None:
    if network is NetworkType.HTTP:
        raise ProgramUnusable(
            "Network.Type: HTTP (a network of chosen domains) is not available yet",
            hint="use Bridge or Full, or None for no network",
        )


async def _has_init(docker: Docker) -> bool:
    """Whether the engine can put its own init before the program, which reaps the zombies that a program leaves."""
    async with asyncio.timeout(ASK_SECONDS):
        info = await docker.system.info()
    return bool(info.get("InitBinary")) and (info.get("InitCommit") or {}).get("ID") != "N/A"
