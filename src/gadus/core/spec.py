"""
What was asked: a job as its author wrote it, in Bacalhau's words.

Attributes are snake_case; on the wire (files, REST, store) every name is Bacalhau's PascalCase, given here as the alias.
Values are frozen. Whether a source, engine or publisher knows its `params` is decided by that plugin, at submission.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from .units import parse_bytes, parse_cores, parse_sha256

LARGEST_COUNT = 100_000
"""More executions of one job than this is taken for a mistake."""


class Wire(BaseModel):
    """A value with PascalCase names outside: frozen, no unknown names, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True, serialize_by_alias=True)

    def to_wire(self) -> dict[str, Any]:
        """The value as JSON-ready data with the names of Bacalhau's files."""
        return self.model_dump(mode="json", by_alias=True)


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain a null character")
    return text


Text = Annotated[str, AfterValidator(_without_nul)]
Trimmed = Annotated[str, AfterValidator(_without_nul), AfterValidator(str.strip)]


Sha256 = Annotated[str, AfterValidator(lambda text: parse_sha256(text) if text else "")]
"""A pinned digest, given in hex or base64 and kept as lower-case hex; empty when nothing is pinned."""


class NetworkType(StrEnum):
    """`FULL` is the network of the machine, `BRIDGE` one of its own from which the world is reached."""

    NONE = "None"
    FULL = "Full"
    HTTP = "HTTP"
    BRIDGE = "Bridge"


NETWORK_TYPES = "None, Full, Bridge or HTTP"
# As clients since 1.6.4 and 1.7 say it; what an engine does by default is to give none.
_ALSO = {"": NetworkType.NONE, "default": NetworkType.NONE, "host": NetworkType.FULL}
_NETWORKS = _ALSO | {known.value.lower(): known for known in NetworkType}


def network_type(text: str) -> NetworkType:
    """The type of this name, in any case. Raises ValueError."""
    known = _NETWORKS.get(text.strip().lower())
    if known is None:
        raise ValueError(f"{text!r} is not a network type: use {NETWORK_TYPES}")
    return known


class SpecConfig(Wire):
    """The name of a plugin and its parameters."""

    type: Trimmed = Field("", alias="Type")
    params: dict[str, Any] = Field(default_factory=dict, alias="Params")

    @field_validator("params", mode="before")
    @classmethod
    def _null_is_empty(cls, value: object) -> object:
        return {} if value is None else value

    @property
    def name(self) -> str:
        """The plugin's name: types are compared without regard to case."""
        return self.type.lower()


class InputSource(Wire):
    """Data from `source`, seen by the program at the absolute path `target`."""

    source: SpecConfig = Field(alias="Source")
    alias: Trimmed = Field("", alias="Alias")
    target: Trimmed = Field(alias="Target")


class ResultPath(Wire):
    """What the program leaves at the absolute path `path` is kept as the directory `name` of the results."""

    name: Trimmed = Field(alias="Name")
    path: Trimmed = Field(alias="Path")

    @field_validator("name")
    @classmethod
    def _one_directory(cls, name: str) -> str:
        if not name or name in (".", "..") or "/" in name or len(name.encode()) > 255:
            raise ValueError(f"must be the name of one directory, not {name!r}")
        if name in ("stdout", "stderr", "exitCode", "receipt", "receipt.json", ".inputs"):
            raise ValueError(f"{name!r} is kept for the program's own output; choose another name")
        return name


class Resources(Wire):
    """Amounts as text ("500m", "1Gb"); empty means not requested."""

    cpu: str = Field("", alias="CPU")
    memory: str = Field("", alias="Memory")
    disk: str = Field("", alias="Disk")
    gpu: str = Field("", alias="GPU")

    @field_validator("cpu")
    @classmethod
    def _cpu_parses(cls, text: str) -> str:
        if text:
            parse_cores(text)
        return text

    @field_validator("memory", "disk")
    @classmethod
    def _bytes_parse(cls, text: str) -> str:
        if text:
            parse_bytes(text)
        return text

    @field_validator("gpu")
    @classmethod
    def _gpu_parses(cls, text: str) -> str:
        if text and not re.fullmatch(r"[0-9]{1,4}", text):
            raise ValueError(f'{text!r} is not a number of GPUs: use "1"')
        return text

    @property
    def cpu_cores(self) -> float:
        """0 when not requested."""
        return parse_cores(self.cpu) if self.cpu else 0.0

    @property
    def memory_bytes(self) -> int:
        """0 when not requested."""
        return parse_bytes(self.memory) if self.memory else 0

    @property
    def disk_bytes(self) -> int:
        """0 when not requested."""
        return parse_bytes(self.disk) if self.disk else 0

    @property
    def gpus(self) -> int:
        return int(self.gpu) if self.gpu else 0


class Network(Wire):
    """What the program may reach; nothing by default."""

    type: NetworkType = Field(NetworkType.NONE, alias="Type")
    domains: tuple[Trimmed, ...] = Field((), alias="Domains")

    @field_validator("type", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        if isinstance(value, NetworkType):
            return value
        if not isinstance(value, str):
            raise ValueError(f"must be text: {NETWORK_TYPES}")
        return network_type(value)

    @field_validator("domains", mode="before")
    @classmethod
    def _list_to_tuple(cls, value: object) -> object:
        return _as_tuple(value)


class Timeouts(Wire):
    """Limits in seconds; 0 means none."""

    execution_timeout: int = Field(0, alias="ExecutionTimeout", ge=0)
    queue_timeout: int = Field(0, alias="QueueTimeout", ge=0)
    total_timeout: int = Field(0, alias="TotalTimeout", ge=0)

    @model_validator(mode="after")
    def _parts_fit_the_whole(self) -> Self:
        if 0 < self.total_timeout < self.execution_timeout + self.queue_timeout:
            raise ValueError(
                f"execution timeout {self.execution_timeout}s and queue timeout {self.queue_timeout}s "
                f"should be less than total timeout {self.total_timeout}s"
            )
        return self


class Constraint(Wire):
    """One requirement on a node's labels."""

    key: str = Field(alias="Key", min_length=1)
    operator: Literal["=", "==", "!=", "in", "notin", "exists", "!", "gt", "lt"] = Field(alias="Operator")
    values: tuple[str, ...] = Field((), alias="Values")

    @field_validator("values", mode="before")
    @classmethod
    def _list_to_tuple(cls, value: object) -> object:
        return _as_tuple(value)

    @model_validator(mode="after")
    def _values_fit_the_operator(self) -> Self:
        if self.operator in ("in", "notin"):
            if not self.values:
                raise ValueError("selector values cannot be empty for In or NotIn operators")
        elif self.operator in ("exists", "!"):
            if self.values:
                raise ValueError("selector values must be empty for Exists or DoesNotExist operators")
        elif len(self.values) != 1:
            raise ValueError("selector values must have exactly one value for other operators")
        elif self.operator in ("gt", "lt") and not re.fullmatch(r"-?[0-9]{1,18}", self.values[0]):
            raise ValueError(f"{self.values[0]!r} must be a whole number for the operators gt and lt")
        return self


class Task(Wire):
    """One program, its inputs, its limits and what to keep of it."""

    name: Text = Field(alias="Name", min_length=1)
    engine: SpecConfig = Field(alias="Engine")
    publisher: SpecConfig = Field(default_factory=lambda: SpecConfig(type=""), alias="Publisher")
    env: dict[str, Text] = Field(default_factory=dict, alias="Env")
    meta: dict[str, str] = Field(default_factory=dict, alias="Meta")
    input_sources: tuple[InputSource, ...] = Field((), alias="InputSources")
    result_paths: tuple[ResultPath, ...] = Field((), alias="ResultPaths")
    resources: Resources = Field(Resources(), alias="Resources")
    network: Network = Field(Network(), alias="Network")
    timeouts: Timeouts = Field(Timeouts(), alias="Timeouts")

    @field_validator("env")
    @classmethod
    def _variables_have_names(cls, variables: dict[str, str]) -> dict[str, str]:
        for name in variables:
            if not name or "=" in name or "\0" in name:
                raise ValueError(f"{name!r} is not the name of a variable: it must not be empty or contain '='")
        return variables

    @field_validator("input_sources", "result_paths", mode="before")
    @classmethod
    def _list_to_tuple(cls, value: object) -> object:
        return _as_tuple(value)

    @field_validator("publisher", "resources", "network", "timeouts", "env", "meta", mode="before")
    @classmethod
    def _null_is_empty(cls, value: object) -> object:
        return {} if value is None else value


class JobSpec(Wire):
    """A whole job. At least one task; only the first is run, as in Bacalhau."""

    name: Text = Field("", alias="Name")
    namespace: Text = Field("default", alias="Namespace", min_length=1)
    type: Literal["batch", "ops", "daemon", "service"] = Field(alias="Type")
    priority: int = Field(0, alias="Priority", ge=-(2**31), le=2**31 - 1)
    count: int = Field(1, alias="Count", ge=0, le=LARGEST_COUNT)
    constraints: tuple[Constraint, ...] = Field((), alias="Constraints")
    meta: dict[str, str] = Field(default_factory=dict, alias="Meta")
    labels: dict[str, str] = Field(default_factory=dict, alias="Labels")
    tasks: tuple[Task, ...] = Field(alias="Tasks", min_length=1)

    @field_validator("constraints", "tasks", mode="before")
    @classmethod
    def _list_to_tuple(cls, value: object) -> object:
        return _as_tuple(value)

    @field_validator("meta", "labels", mode="before")
    @classmethod
    def _null_is_empty(cls, value: object) -> object:
        return {} if value is None else value

    @property
    def task(self) -> Task:
        """The task that is run."""
        return self.tasks[0]


def _as_tuple(value: object) -> object:
    """Lists of a file become tuples, null becomes empty; anything else is left for the type check to name."""
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list) else value
