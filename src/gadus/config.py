"""Settings of this installation: the only reader of the environment, but for the AWS credential chain with its own rules."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gadus.core.errors import InvalidSpec
from gadus.core.units import parse_bytes

_PERCENT = re.compile(r"([0-9]{1,3})\s*%")


@dataclass(frozen=True, slots=True)
class Settings:
    """
    What a person may set, by flag or environment.

    `data_dir` holds the job store, the input cache, workplaces and results. `docker_host` is the address of a Docker-compatible
    engine, e.g. ``unix:///run/docker.sock``. `cache_limit` is a size ("50GB") or a share of the whole file system ("80%"); when
    it is not set, the cache may hold four fifths of what the file system would have free without it.
    """

    data_dir: Path
    docker_host: str = ""
    cache_limit: str = ""

    @property
    def cache_dir(self) -> Path:
        """Inputs and compiled modules: everything below can be fetched or made again."""
        return self.data_dir / "cache"

    @property
    def manifests_dir(self) -> Path:
        """What the inputs of jobs were, object by object."""
        return self.data_dir / "manifests"

    @property
    def cache_limit_bytes(self) -> int | None:
        """What all cached inputs together may hold; None when it is not set."""
        percent = _PERCENT.fullmatch(self.cache_limit)
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
        return self.executions_dir / execution_id / "results"

    @property
    def store_path(self) -> Path:
        return self.data_dir / "gadus.db"


def settings_from(environment: Mapping[str, str] | None = None, *, data_dir: str = "") -> Settings:
    """
    Settings by flag (`data_dir`), then environment, then default.

    ``GADUS_DATA_DIR`` (default: ``$XDG_DATA_HOME/gadus``, else ``~/.local/share/gadus``), ``GADUS_CACHE_LIMIT``,
    ``DOCKER_HOST``.
    Raises InvalidSpec for a limit that is none.
    """
    environment = os.environ if environment is None else environment
    chosen = data_dir or environment.get("GADUS_DATA_DIR", "")
    if not chosen:
        home = environment.get("XDG_DATA_HOME", "") or str(Path("~/.local/share").expanduser())
        chosen = str(Path(home) / "gadus")
    return Settings(
        data_dir=Path(chosen).absolute(),
        docker_host=environment.get("DOCKER_HOST", ""),
        cache_limit=_checked_limit(environment.get("GADUS_CACHE_LIMIT", "").strip()),
    )


def _checked_limit(text: str) -> str:
    percent = _PERCENT.fullmatch(text)
    try:
        right = not text or (1 <= int(percent[1]) <= 100 if percent else parse_bytes(text) > 0)
    except ValueError:
        right = False
    if not right:
        raise InvalidSpec([f"GADUS_CACHE_LIMIT: {text!r} is neither a size nor a share"], hint='write "50GB", "40GiB" or "80%"')
    return text
