"""Flags, environment and files as settings."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from gadus.core.capacity import Amounts, Limits
from gadus.core.defaults import JobDefaults, TimeLimits
from gadus.core.errors import InvalidSpec

from .keys import JOB_TYPES, KEYS, TYPES_WITH_AN_END, Key
from .said import Said
from .settings import Phases, Policy, Settings, Watch
from .sources import Sources, is_foreign, split


def settings_from(
    environment: Mapping[str, str] | None = None,
    *,
    data_dir: str = "",
    flags: Mapping[str, Said] | None = None,
    config: Sequence[str] = (),
) -> Settings:
    """
    Settings by flag, then environment, then file, then default.

    `data_dir` is the text of its flag; `flags` has those of other settings by their names, `config` the words of ``--config``.
    The data directory is ``$XDG_DATA_HOME/gadus``, else ``~/.local/share/gadus``, when nothing says otherwise. Raises
    InvalidSpec with everything that is wrong, also for a variable of our own prefix that is no setting.
    """
    environment = os.environ if environment is None else environment
    given = dict(flags or {})
    if data_dir:
        given["DataDir"] = Said(data_dir, "--data-dir", "flag")
    sources = Sources(environment, given, config)
    read = _Reading(sources)
    settings = _built(read, sources, _passed_on(given, config))
    sources.end(read.hints)
    return settings


def checked(key: Key, text: str, where: str) -> Any:
    """The value that `text` stands for. Raises InvalidSpec that names `where`."""
    try:
        return key.parse(text)
    except ValueError as error:
        raise InvalidSpec([f"{where}: {error}"]) from error
    except InvalidSpec as error:
        raise InvalidSpec([f"{where}: {problem}" for problem in error.problems], hint=error.hint) from error


class _Reading:
    """Every setting as it was said, and as a value."""

    def __init__(self, sources: Sources) -> None:
        self.said: dict[str, Said] = {}
        self.hints: list[str] = []
        self._values: dict[str, Any] = {}
        for key in KEYS:
            self.said[key.name] = said = sources.find(key)
            try:
                self._values[key.name] = checked(key, said.text, said.where) if said.text else None
            except InvalidSpec as error:
                self._values[key.name] = key.parse(key.default) if key.default else None
                if is_foreign(said.where) and said.kind == "variable":
                    self.said[key.name] = Said(key.default)
                    continue
                named = "" if said.kind == "variable" or key.name in said.where else f"{key.name}: "
                sources.problems += [problem.replace(": ", f": {named}", 1) for problem in error.problems]
                self.hints.append(error.hint)

    def __call__(self, name: str) -> Any:
        """The value of a setting; None when it has neither one nor a default."""
        return self._values[name]

    def limits(self, path: str) -> Limits:
        """A limit for each resource."""
        return Limits(self(f"{path}.CPU"), self(f"{path}.Memory"), self(f"{path}.Disk"), self(f"{path}.GPU"))

    def amounts(self, path: str) -> Amounts:
        """An amount of each resource."""
        return Amounts(self(f"{path}.CPU"), self(f"{path}.Memory"), self(f"{path}.Disk"), self(f"{path}.GPU"))

    def defaults(self, kind: str) -> JobDefaults:
        """What jobs of a type get that do not say."""
        path = f"JobDefaults.{kind}"
        ends = kind in TYPES_WITH_AN_END
        return JobDefaults(
            needs=self.amounts(f"{path}.Task.Resources"),
            priority=self(f"{path}.Priority"),
            execution_seconds=self(f"{path}.Task.Timeouts.ExecutionTimeout") if ends else 0,
            total_seconds=self(f"{path}.Task.Timeouts.TotalTimeout") if ends else 0,
        )


def _built(read: _Reading, sources: Sources, passed_on: tuple[str, ...]) -> Settings:
    return Settings(
        data_dir=sources.data_dir,
        docker_host=read("Engines.Types.Docker.Host") or "",
        cache_limit=read("Cache.Limit") or "",
        capacity=read.limits("Compute.AllocatedCapacity"),
        ignores_physical_limits=read("Compute.IgnorePhysicalResourceLimits"),
        job_max=read.limits("Compute.JobMaximum"),
        job_defaults={kind.lower(): read.defaults(kind) for kind in JOB_TYPES},
        time_limits=TimeLimits(read("Compute.ExecutionTimeout.Minimum"), read("Compute.ExecutionTimeout.Maximum")),
        labels=read("Labels") or {},
        policy=_policy(read),
        phases=Phases(read("Staging.Timeout"), read("Preparing.Timeout")),
        log_limit_bytes=read("Logs.Limit"),
        store=read("Store") or "",
        name=read("Name") or "",
        name_provider=read("NameProvider"),
        host=read("API.Host"),
        port=read("API.Port"),
        allowed_hosts=read("API.AllowedHosts") or (),
        auth_required=read("API.Auth.Required"),
        tls_cert=read("API.TLS.CertFile") or "",
        tls_key=read("API.TLS.KeyFile") or "",
        self_signed=read("API.TLS.SelfSigned"),
        orchestrator=read("Orchestrator.Enabled"),
        compute=read("Compute.Enabled"),
        watch=Watch(read("Logging.Level"), read("Logging.Mode"), read("Tracing.Endpoint") or ""),
        said=read.said,
        passed_on=passed_on,
    )


def _policy(read: _Reading) -> Policy:
    path = "JobAdmissionControl"
    accepts = read(f"{path}.AcceptNetworkedJobs")
    return Policy(
        rejects_networked=read(f"{path}.RejectNetworkedJobs") or accepts is False,
        rejects_stateless=read(f"{path}.RejectStatelessJobs"),
        local_data_only=read(f"{path}.Locality"),
        probe_command=read(f"{path}.ProbeExec") or "",
        probe_url=read(f"{path}.ProbeHTTP") or "",
        engines=read("Engines.Allowed"),
        sources=read("InputSources.Allowed"),
        publishers=read("Publishers.Allowed"),
        not_engines=read("Engines.Disabled") or frozenset(),
        not_sources=read("InputSources.Disabled") or frozenset(),
        not_publishers=read("Publishers.Disabled") or frozenset(),
    )


def _passed_on(flags: Mapping[str, Said], config: Sequence[str]) -> tuple[str, ...]:
    """The words of ``--config`` by which another process has the same settings."""
    pairs, paths = split(config)
    said = {**dict(pairs), **{name: one.text for name, one in flags.items() if name != "DataDir" and one.text}}
    return (*map(str, paths), *(f"{name}={text}" for name, text in said.items()))
