"""``gadus wasm run``: a WebAssembly module over data."""

from __future__ import annotations

from typing import Any

import click

from gadus.cli.flags.assemble import job_spec
from gadus.cli.flags.module import module_source, split_name
from gadus.cli.flags.options import ENVIRONMENT, IPFS, manner, with_job_flags, with_run_flags
from gadus.cli.lazy import Command
from gadus.cli.run import run_job
from gadus.core.spec import SpecConfig

_EPILOG = """\b
Examples:
  gadus wasm run -i 's3://bucket/logs/2024-*:/inputs' count.wasm /inputs
  gadus wasm run s3://bucket/programs/count.wasm -- --verbose
"""


@click.command(cls=Command, epilog=_EPILOG)
@click.argument("module")
@click.argument("words", nargs=-1, metavar="[ARG]...")
@click.option("--entry-point", default="_start", show_default=True, help="The exported function to call.")
@click.option(
    "-I", "--import-module-volumes", "import_volumes", multiple=True, metavar="MODULE[:NAME]",
    help="A module whose exports the program imports as NAME.  [default: the file's name without .wasm]",
)  # fmt: skip
@click.option("-U", "--import-module-urls", "import_urls", multiple=True, metavar="URL", help="The same for a module at a URL.")
@with_run_flags
@with_job_flags
@click.pass_context
def run(
    ctx: click.Context,
    /,
    module: str,
    words: tuple[str, ...],
    entry_point: str,
    import_volumes: tuple[str, ...],
    import_urls: tuple[str, ...],
    **flags: Any,
) -> int:
    """
    Run a WebAssembly MODULE over data.

    MODULE is a file, s3://BUCKET/KEY or https://…; its output appears here, and its exit code becomes ours. Flags may stand
    before or after MODULE; flags of the program go after `--`.
    """
    how = manner(flags)
    params: dict[str, Any] = {
        "EntryModule": _source(module, ""),
        "EntryPoint": entry_point,
    }
    if words:
        params["Parameters"] = list(words)
    environment = {name: value for one in flags.pop("environment") for name, value in one.items()}
    if environment:
        params["EnvironmentVariables"] = environment
    imports = [split_name(text) for text in import_volumes] + [split_name(text) for text in import_urls]
    if imports:
        params["ImportModules"] = [_source(text, name) for text, name in imports]
    return run_job(ctx, job_spec(SpecConfig(type="wasm", params=params), flags), how)


def _source(text: str, name: str) -> dict[str, Any]:
    """The module as the engine wants it in a job: a source without a Target, since the program does not see it."""
    named = {"Alias": name} if name else {}
    return {"Source": module_source(text).to_wire(), **named}


run.params[2:2] = [ENVIRONMENT, IPFS]
