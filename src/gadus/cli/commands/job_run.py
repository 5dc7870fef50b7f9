"""``gadus job run`` and ``gadus job validate``: job files, with their templates."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Literal, TypeVar

import click
from pydantic import BaseModel

from gadus import plugins
from gadus.cli.flags.options import manner, with_run_flags
from gadus.cli.lazy import Command, UsageMistake, client_of, settings_of
from gadus.cli.run import run_job
from gadus.cli.show.ending import as_line
from gadus.cli.show.failures import say, say_labelled
from gadus.config import ClientSettings, Settings
from gadus.core.errors import InvalidSpec
from gadus.core.jobfile.decode import ParamsModelIfKnown, decode_job
from gadus.core.spec import JobSpec
from gadus.core.template.render import render

Result = TypeVar("Result")

_LARGEST_FILE_BYTES = 10 << 20
_STDIN = "-"


@click.command(cls=Command)
@click.argument("file", default=_STDIN, metavar="[FILE]")
@click.option("-V", "--template-vars", "variables", multiple=True, metavar="NAME=VALUE", help="Variables of the template.")
@click.option("-E", "--template-envs", "pattern", default="", metavar="REGEX", help="Environment variables to take as well.")
@click.option("--no-template", is_flag=True, help="Take {{ as it stands.")
@with_run_flags
@click.pass_context
def run(
    ctx: click.Context,
    /,
    file: str,
    variables: tuple[str, ...],
    pattern: str,
    *,
    no_template: bool,
    **flags: Any,
) -> int:
    """
    Run the job in FILE (YAML or JSON); without FILE, or with `-`, the job on standard input.

    The text is a template first: {{.name}} stands for the value given by -V name=value.
    """
    how = manner(flags)
    text = _text_of(file)
    if not no_template:
        given = {**_from_environment(pattern), **_given(variables)}
        text = _blamed(lambda: render(text, given, _name_of(file)))
    spec, warnings = _decoded(text, file, client_of(ctx))
    if not (how.quiet or how.hide_warnings):
        for warning in warnings:
            say_labelled("Warning", warning)
    return run_job(ctx, spec, how)


@click.command(cls=Command)
@click.argument("file")
@click.pass_context
def validate(ctx: click.Context, /, file: str, *, as_json: bool) -> None:
    """Check the job in FILE, or on standard input (`-`), and run nothing."""
    spec, warnings = _decoded(_text_of(file), file, client_of(ctx))
    if not client_of(ctx).endpoint:
        # A server knows best what it can run: it is not asked, as in Bacalhau.
        _check_here(spec, settings_of(ctx))
    if as_json:
        click.echo(as_line({"valid": True, "warnings": list(warnings)}))
        return
    for warning in warnings:
        say_labelled("Warning", warning)
    click.echo("OK")


def _check_here(spec: JobSpec, settings: Settings) -> None:
    from gadus.wiring import open_service  # noqa: PLC0415 - who asks a server needs none of it

    with open_service(settings) as service:
        _blamed(lambda: service.check(spec))


def _decoded(text: str, file: str, client: ClientSettings) -> tuple[JobSpec, tuple[str, ...]]:
    params_model: ParamsModelIfKnown = _params_if_known if client.endpoint else _params_of
    return _blamed(lambda: decode_job(text, params_model=params_model, name=_name_of(file)))


def _params_of(kind: Literal["engine", "source"], name: str) -> type[BaseModel]:
    model: type[BaseModel] = plugins.load("engines" if kind == "engine" else "storage", name).Params
    return model


def _params_if_known(kind: Literal["engine", "source"], name: str) -> type[BaseModel] | None:
    """None for a plugin that is not installed here: the server may have it."""
    try:
        return _params_of(kind, name)
    except InvalidSpec:
        return None


def _blamed(read: Callable[[], Result]) -> Result:
    """What `read` gives; its problems are told to be the job file's."""
    try:
        return read()
    except InvalidSpec as exc:
        raise InvalidSpec(["the job provided is invalid:", *exc.problems], hint=exc.hint) from exc


def _name_of(file: str) -> str:
    return "standard input" if file == _STDIN else file


def _text_of(file: str) -> str:
    try:
        if file == _STDIN:
            if sys.stdin.isatty():
                say("Reading the job from the terminal; Ctrl-D ends it.")
            content = _bounded(sys.stdin.buffer, file)
        else:
            with open(file, "rb") as stream:  # noqa: PTH123 - the name exactly as it was typed
                content = _bounded(stream, file)
        return content.decode("utf-8-sig")
    except OSError as exc:
        reason = os.strerror(exc.errno or errno.EIO)
        raise InvalidSpec(
            [f"FILE: {file!r} cannot be read: {reason}"], hint="give a job file, or `-` for standard input"
        ) from exc
    except UnicodeDecodeError as exc:
        problem = f"FILE: {_name_of(file)!r} is not text in UTF-8 (byte {exc.start + 1})"
        raise InvalidSpec([problem], hint="a job file is YAML or JSON") from exc


def _bounded(stream: BinaryIO, file: str) -> bytes:
    content = stream.read(_LARGEST_FILE_BYTES + 1)
    if len(content) > _LARGEST_FILE_BYTES:
        raise InvalidSpec(
            [f"FILE: {_name_of(file)!r} is larger than 10 MiB"], hint="a job file holds no data: name it as an input"
        )
    return content


def _given(texts: tuple[str, ...]) -> dict[str, str]:
    variables: dict[str, str] = {}
    for pair in (pair for text in texts for pair in text.split(",")):
        name, equals, value = pair.partition("=")
        if not (equals and name):
            raise UsageMistake(f"-V/--template-vars: {pair!r} is not NAME=VALUE", hint="for example -V year=2024,month=05")
        variables[name] = value
    return variables


def _from_environment(pattern: str, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables whose name the regular expression finds; ``*`` alone takes all."""
    if not pattern:
        return {}
    try:
        wanted = re.compile(".*" if pattern == "*" else pattern)
    except re.error as exc:
        problem = f"-E/--template-envs: {pattern!r} is not a regular expression: {exc}"
        raise UsageMistake(problem, hint="for example -E '^APP_'") from exc
    return {name: value for name, value in environment.items() if wanted.search(name)}
