"""``gadus docker run``: a container image over data."""

from __future__ import annotations

from typing import Any

import click

from gadus.cli.flags.assemble import job_spec
from gadus.cli.flags.options import ENVIRONMENT, IPFS, manner, with_job_flags, with_run_flags
from gadus.cli.lazy import Command
from gadus.cli.run import run_job
from gadus.core.spec import SpecConfig

_EPILOG = """\b
Examples:
  gadus docker run busybox echo hello
  gadus docker run -i 's3://bucket/logs/2024-*:/inputs' busybox -- sh -c 'cat /inputs/* | wc -l'
"""


@click.command(cls=Command, epilog=_EPILOG)
@click.argument("image")
@click.argument("words", nargs=-1, metavar="[COMMAND] [ARG]...")
@click.option("-w", "--workdir", default="", help="Directory the program starts in.")
@click.option("--entrypoint", multiple=True, help="Instead of the image's entry point; comma-separated or repeated.")
@with_run_flags
@with_job_flags
@click.pass_context
def run(
    ctx: click.Context, /, image: str, words: tuple[str, ...], workdir: str, entrypoint: tuple[str, ...], **flags: Any
) -> int:
    """
    Run a container IMAGE over data.

    Its output appears here, and its exit code becomes ours. Flags may stand before or after IMAGE; flags of the program go
    after `--`.
    """
    how = manner(flags)
    params: dict[str, Any] = {"Image": image}
    if entrypoint:
        params["Entrypoint"] = [word for words_of_one in entrypoint for word in words_of_one.split(",")]
    if words:
        params["Parameters"] = list(words)
    environment = [f"{name}={value}" for one in flags.pop("environment") for name, value in one.items()]
    if environment:
        params["EnvironmentVariables"] = environment
    if workdir:
        params["WorkingDirectory"] = workdir
    return run_job(ctx, job_spec(SpecConfig(type="docker", params=params), flags), how)


run.params[2:2] = [ENVIRONMENT, IPFS]
