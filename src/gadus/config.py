"""Settings of this installation: the only reader of the environment, but for the AWS credential chain with its own rules."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """
    What a person may set, by flag or environment.

    `data_dir` holds the job store, the input cache, workplaces and results. `docker_host` is the address of a Docker-compatible
    engine, e.g. ``unix:///run/docker.sock``.
    """

    data_dir: Path
    docker_host: str = ""

    @property
    def cache_dir(self) -> Path:
        """Inputs and compiled modules: everything below can be fetched or made again."""
        return self.data_dir / "cache"

    @property
    def executions_dir(self) -> Path:
        """Workplaces, one directory for each execution that has not ended."""
        return self.data_dir / "executions"

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

    ``GADUS_DATA_DIR`` (default: ``$XDG_DATA_HOME/gadus``, else ``~/.local/share/gadus``), ``DOCKER_HOST``.
    """
    environment = os.environ if environment is None else environment
    chosen = data_dir or environment.get("GADUS_DATA_DIR", "")
    if not chosen:
        home = environment.get("XDG_DATA_HOME", "") or str(Path("~/.local/share").expanduser())
        chosen = str(Path(home) / "gadus")
    return Settings(data_dir=Path(chosen).absolute(), docker_host=environment.get("DOCKER_HOST", ""))
