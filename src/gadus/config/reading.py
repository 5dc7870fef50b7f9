"""
The environment as settings.

    GADUS_DATA_DIR, GADUS_STORE, GADUS_CACHE_LIMIT, DOCKER_HOST
    GADUS_CAPACITY_{CPU,MEMORY,DISK,GPU}       what of this machine is given to jobs: "80%" or an amount
    GADUS_JOB_MAX_{CPU,MEMORY,DISK,GPU}        what of that one execution may ask for
    GADUS_JOB_DEFAULT_{CPU,MEMORY,DISK,GPU}    what a job is taken to need that does not say
    GADUS_LABELS                               k=v,…
    GADUS_ENGINES, GADUS_SOURCES, GADUS_PUBLISHERS                 the names that are allowed, with commas
    GADUS_REJECT_NETWORKED, GADUS_REJECT_STATELESS                 true or false
    GADUS_LOCALITY                             anywhere or local
    GADUS_PROBE_EXEC, GADUS_PROBE_HTTP         a command or a URL that is asked for each job
    GADUS_{STAGING,PREPARING}_TIMEOUT          "90s", "30m", "1h30m"; 0 for none
    GADUS_LOG_LIMIT                            a size
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from gadus.core.capacity import Amounts, Limit, Limits, share_or_amount, whole_number
from gadus.core.errors import InvalidSpec
from gadus.core.problem import clipped, nearest
from gadus.core.units import parse_bytes, parse_cores

from .client import known_variables
from .settings import CAPACITY, JOB_DEFAULTS, LOG_LIMIT_BYTES, Phases, Policy, Settings
from .values import cache_limit, duration, is_local, labels, log_limit, names, truth, web_address

Value = TypeVar("Value")

_OURS = "GADUS_"
# What a program of ours is told, which may run this program; and what Kubernetes tells of a service of our name.
_NOT_SETTINGS = re.compile(
    r"GADUS_(?:EXECUTION_ID|JOB_ID|JOB_TYPE|PARTITION_(?:INDEX|COUNT)|(?:TEST|SUITE|REQUIRE)_\w+"
    r"|(?:\w+_)?SERVICE_(?:HOST|PORT)\w*|(?:\w+_)?PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)\w*)?)"
)


def settings_from(environment: Mapping[str, str] | None = None, *, data_dir: str = "") -> Settings:
    """
    Settings by flag (`data_dir`), then environment, then default.

    The data directory is ``$XDG_DATA_HOME/gadus``, else ``~/.local/share/gadus``, when nothing says otherwise. Raises
    InvalidSpec with everything that is wrong, also for a variable of our own prefix that is no setting.
    """
    environment = os.environ if environment is None else environment
    read = _Reading(environment)
    settings = Settings(
        data_dir=_data_dir(environment, data_dir),
        docker_host=environment.get("DOCKER_HOST", ""),
        cache_limit=read("CACHE_LIMIT", "", cache_limit),
        capacity=read.limits("CAPACITY", CAPACITY),
        job_max=read.limits("JOB_MAX", Limits()),
        job_defaults=read.amounts("JOB_DEFAULT", JOB_DEFAULTS),
        labels=read("LABELS", {}, labels),
        policy=_policy(read),
        phases=Phases(
            read("STAGING_TIMEOUT", Phases().staging_seconds, duration),
            read("PREPARING_TIMEOUT", Phases().preparing_seconds, duration),
        ),
        log_limit_bytes=read("LOG_LIMIT", LOG_LIMIT_BYTES, log_limit),
        store=read("STORE", "", str),
    )
    read.end()
    return settings


class _Reading:
    """Reads settings one by one, and keeps all that is wrong with them for the end."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._known = {"GADUS_DATA_DIR", *(name for name in known_variables() if name.startswith(_OURS))}
        self._problems: list[str] = []
        self._hints: list[str] = []

    def __call__(self, name: str, default: Value, parse: Callable[[str], Value]) -> Value:
        """The value of a setting, `default` when it is not set or empty."""
        name = _OURS + name
        self._known.add(name)
        text = self._environment.get(name, "").strip()
        if not text:
            return default
        try:
            return parse(text)
        except ValueError as error:
            self._problems.append(f"{name}: {error}")
        except InvalidSpec as error:
            self._problems += [problem if problem.startswith(name) else f"{name}: {problem}" for problem in error.problems]
            self._hints.append(error.hint)
        return default

    def limits(self, name: str, default: Limits) -> Limits:
        """A limit for each resource."""
        return Limits(
            self._limit(f"{name}_CPU", default.cpu, parse_cores),
            self._limit(f"{name}_MEMORY", default.memory, parse_bytes),
            self._limit(f"{name}_DISK", default.disk, parse_bytes),
            self._limit(f"{name}_GPU", default.gpu, whole_number),
        )

    def amounts(self, name: str, default: Amounts) -> Amounts:
        """An amount of each resource."""
        return Amounts(
            self(f"{name}_CPU", default.cpu_cores, parse_cores),
            self(f"{name}_MEMORY", default.memory_bytes, parse_bytes),
            self(f"{name}_DISK", default.disk_bytes, parse_bytes),
            self(f"{name}_GPU", default.gpus, whole_number),
        )

    def _limit(self, name: str, default: Limit, read: Callable[[str], float]) -> Limit:
        return self(name, default, lambda text: share_or_amount(text, read=read, setting=_OURS + name))

    def end(self) -> None:
        """Raise InvalidSpec with all that was wrong."""
        for name in sorted(self._environment):
            if name.startswith(_OURS) and name not in self._known and not _NOT_SETTINGS.fullmatch(name):
                self._problems.append(f"{clipped(name)} is not a setting: {nearest(name, sorted(self._known))}")
        if self._problems:
            raise InvalidSpec(self._problems, hint="; ".join(dict.fromkeys(hint for hint in self._hints if hint)))


def _data_dir(environment: Mapping[str, str], by_flag: str) -> Path:
    chosen = by_flag or environment.get("GADUS_DATA_DIR", "")
    if not chosen:
        home = environment.get("XDG_DATA_HOME", "") or str(Path("~/.local/share").expanduser())
        chosen = str(Path(home) / "gadus")
    return Path(chosen).absolute()


def _policy(read: _Reading) -> Policy:
    return Policy(
        rejects_networked=read("REJECT_NETWORKED", False, truth),
        rejects_stateless=read("REJECT_STATELESS", False, truth),
        local_data_only=read("LOCALITY", False, is_local),
        probe_command=read("PROBE_EXEC", "", str),
        probe_url=read("PROBE_HTTP", "", web_address),
        engines=read("ENGINES", None, names),
        sources=read("SOURCES", None, names),
        publishers=read("PUBLISHERS", None, names),
    )
