"""The flags that say which job is meant, and which of its versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from gadus.cli.lazy import UsageMistake

from .values import whole

Command = TypeVar("Command", bound=Callable[..., Any])

_LARGEST_VERSION = 2**31 - 1


def with_namespace(command: Command) -> Command:
    """The flag of a namespace to find a job in, which `which_of` reads."""
    return click.option("--namespace", default="", metavar="NAME", help="Look for the job in this namespace only.")(command)


def with_version(command: Command) -> Command:
    """The flag of one version of a job, beside that of its namespace, which `which_of` reads."""
    version = whole(1, _LARGEST_VERSION, "2")
    flag = click.option(
        "--version", "job_version", type=version, default=None, help="This version of the job.  [default: latest]"
    )
    return with_namespace(flag(command))


def with_versions(command: Command) -> Command:
    """The same with a flag for all versions of a job."""
    return with_version(click.option("--all-versions", is_flag=True, help="All versions of the job.")(command))


def which_of(flags: Mapping[str, Any]) -> dict[str, str | int | bool]:
    """What the flags say, as the API is asked for it."""
    version, every = flags.get("job_version") or 0, flags.get("all_versions", False)
    if version and every:
        raise UsageMistake(f"--version {version} and --all-versions exclude each other", hint="give one of them")
    return {"namespace": flags["namespace"], "job_version": version, "all_job_versions": every}
