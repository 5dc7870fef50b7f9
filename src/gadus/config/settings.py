"""What can be set, and the places below the data directory."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gadus.core.capacity import Limit, Limits
from gadus.core.defaults import JobDefaults, TimeLimits
from gadus.core.units import parse_bytes

if TYPE_CHECKING:
    from .said import Said

PERCENT = re.compile(r"([0-9]{1,3})\s*%")
CAPACITY = Limits(
    # A core that is shared makes a job slower, and nothing worse.
    cpu=Limit(share=1.0),
    # Memory that is not there kills: the rest is for the system, the engines and this program.
    memory=Limit(share=0.9),
    # A full disk fails everybody at once, and inputs and logs grow before anybody can measure them.
    disk=Limit(share=0.8),
    # A device cannot be shared, and nobody else on the machine needs it.
    gpu=Limit(share=1.0),
)
"""What of a machine is given to jobs when nothing else is set, and why not all."""
LOG_LIMIT_BYTES = 64 * 2**20
_EVERYTHING = Limits()
_NO_LIMITS = TimeLimits()


@dataclass(frozen=True, slots=True)
class Policy:
    """
    Which jobs this node takes.

    `local_data_only`: those alone whose inputs are on the machine already. `probe_command` and `probe_url` are asked for each
    job, see `gadus.backends.selection`; empty when nobody is. `engines`, `sources` and `publishers` are the names, in lower
    case, that are allowed; None when that is every one. Those in `not_engines` and the like are not allowed in any case.
    """

    rejects_networked: bool = False
    rejects_stateless: bool = False
    local_data_only: bool = False
    probe_command: str = ""
    probe_url: str = ""
    engines: frozenset[str] | None = None
    sources: frozenset[str] | None = None
    publishers: frozenset[str] | None = None
    not_engines: frozenset[str] = frozenset()
    not_sources: frozenset[str] = frozenset()
    not_publishers: frozenset[str] = frozenset()

    @property
    def asks(self) -> bool:
        """Whether there is anything that must be asked for each job."""
        return self.local_data_only or bool(self.probe_command or self.probe_url)


@dataclass(frozen=True, slots=True)
class Phases:
    """How long the phases of an execution may take that are ours and not the program's; 0 for as long as it takes."""

    staging_seconds: float = 3600.0
    preparing_seconds: float = 1800.0


@dataclass(frozen=True, slots=True)
class Watch:
    """What a server tells of itself: which lines, in which form, and where traces go; nowhere when `otlp_endpoint` is empty."""

    log_level: str = "info"
    log_mode: str = "default"
    otlp_endpoint: str = ""


def _defaults_of_every_type() -> Mapping[str, JobDefaults]:
    return {kind: JobDefaults() for kind in ("batch", "ops", "service", "daemon")}


@dataclass(frozen=True, slots=True)
class Settings:
    """
    What a person may set, by flag, environment or file; `gadus.config.keys` has the names and meanings.

    `data_dir` holds the job store, the input cache, workplaces and results. `docker_host` is the address of a Docker-compatible
    engine, e.g. ``unix:///run/docker.sock``. `cache_limit` is a size ("50GB") or a share of the whole file system ("80%"); when
    it is not set, the cache may hold four fifths of what the file system would have free without it. `capacity` is what of
    this machine is given to jobs, `job_max` what of that a single execution may ask for. `log_limit_bytes` is for each stream
    of an execution. `store` is where jobs are kept instead of the data directory: a file or a URL. `name` is the node's own,
    empty when `name_provider` gives it one. `host` to `self_signed` are the server's, `orchestrator` and `compute` its roles.
    `said` has every setting as it was written, by its name, and `passed_on` the words of ``--config`` by which another process
    has the same settings.
    """

    data_dir: Path
    docker_host: str = ""
    cache_limit: str = ""
    capacity: Limits = CAPACITY
    ignores_physical_limits: bool = False
    job_max: Limits = _EVERYTHING
    job_defaults: Mapping[str, JobDefaults] = field(default_factory=_defaults_of_every_type)
    time_limits: TimeLimits = _NO_LIMITS
    labels: Mapping[str, str] = field(default_factory=dict)
    policy: Policy = Policy()
    phases: Phases = Phases()
    log_limit_bytes: int = LOG_LIMIT_BYTES
    store: str = field(default="", repr=False)
    name: str = ""
    name_provider: str = "hostname"
    host: str = "127.0.0.1"
    port: int = 1234
    allowed_hosts: tuple[str, ...] = ()
    auth_required: bool = False
    tls_cert: str = ""
    tls_key: str = ""
    self_signed: bool = False
    orchestrator: bool = True
    compute: bool = True
    watch: Watch = Watch()
    said: Mapping[str, Said] = field(default_factory=dict, compare=False, repr=False)
    passed_on: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @property
    def cache_dir(self) -> Path:
        """Inputs and compiled modules: everything below can be fetched or made again."""
        return self.data_dir / "cache"

    @property
    def own_certificate(self) -> Path:
        """The certificate that a server makes for itself; its key is beside it."""
        return self.data_dir / "tls" / "server.crt"

    @property
    def manifests_dir(self) -> Path:
        """What the inputs of jobs were, object by object."""
        return self.data_dir / "manifests"

    @property
    def cache_limit_bytes(self) -> int | None:
        """What all cached inputs together may hold; None when it is not set."""
        percent = PERCENT.fullmatch(self.cache_limit)
        if percent is None:
            return parse_bytes(self.cache_limit) if self.cache_limit else None
        self.cache_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        return shutil.disk_usage(self.cache_dir).total * int(percent[1]) // 100

    @property
    def executions_dir(self) -> Path:
        """Workplaces, one directory for each execution that has not ended."""
        return self.data_dir / "executions"

    @property
    def shims_dir(self) -> Path:
        """What the processes of executions and their server tell each other, one directory for each execution."""
        return self.data_dir / "shims"

    @property
    def results_dir(self) -> Path:
        """What ended executions left: ``<job id>/<execution id>/``."""
        return self.data_dir / "results"

    def results_of(self, job_id: str, execution_id: str) -> Path:
        """Where the results of one ended execution are kept."""
        return self.results_dir / job_id / execution_id

    def growing_results_of(self, execution_id: str) -> Path:
        """Where a living execution writes what will be its results."""
        return self.executions_dir / execution_id

    @property
    def jobs_at(self) -> Path | str:
        """Where the jobs are: a file, or the URL of a database."""
        return self.store or self.store_path

    @property
    def store_path(self) -> Path:
        return self.data_dir / "gadus.db"
