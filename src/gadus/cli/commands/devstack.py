"""``gadus devstack``: a server, an S3 server with sample data, and what to type next."""

from __future__ import annotations

import os
import shlex
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click

from gadus.cli import everywhere
from gadus.cli.child import Serving, serving
from gadus.cli.flags.node import node_flags, with_node_flags
from gadus.cli.lazy import Command
from gadus.cli.show.ending import as_line
from gadus.cli.show.failures import Interrupted, say, say_labelled
from gadus.cli.show.reaching import export, reaching
from gadus.config.exporting import environment_with
from gadus.core.errors import Unavailable
from gadus.core.units import format_bytes
from gadus.testing import sample
from gadus.testing.seaweedfs import S3Server, seaweedfs

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_NODES = ("--requester-nodes", "--compute-nodes", "--hybrid-nodes")


@click.command(cls=Command)
@with_node_flags
@click.option("--stack-repo", hidden=True)
@click.option(_NODES[0], hidden=True)
@click.option(_NODES[1], hidden=True)
@click.option(_NODES[2], hidden=True)
@click.pass_context
def devstack(ctx: click.Context, /, *, stack_repo: str | None, as_json: bool, **flags: Any) -> None:
    """
    A server and an S3 server with sample data, for trying things out on this machine.

    Everything is in a temporary directory and is gone after Ctrl-C, jobs that run included; with --data-dir what was kept
    stays. Settings of other installations do not count here: only flags and --config do.
    """
    if any(flags.pop(name.removeprefix("--").replace("-", "_")) for name in _NODES):
        say_labelled("Warning", f"{', '.join(_NODES)} have no effect: there is one server, which runs its jobs itself")
    settings = [f"{key}={said.text}" for key, said in node_flags(flags, ctx).items()]
    words = [f"--config={word}" for word in (*everywhere.config_words(ctx), *settings)]
    with _until_a_signal(), ExitStack() as stack:
        place = _place(everywhere.data_dir(ctx) or stack_repo or "", stack)
        s3 = stack.enter_context(seaweedfs(place / "s3"))
        size_bytes = sample.fill(s3)
        (place / "climate.wasm").write_bytes(sample.program())
        environment = environment_with({**s3.environment(), "XDG_CONFIG_HOME": str(place / "config")})
        server = stack.enter_context(serving([*words, "--data-dir", str(place / "gadus")], environment))
        _tell(server, s3, place, size_bytes, as_json=as_json)
        _wait(server)
    say("Stopped.")


def _place(chosen: str, stack: ExitStack) -> Path:
    if not chosen:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gadus-devstack-", ignore_cleanup_errors=True)))
    place = Path(chosen).absolute()
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    return place


def _wait(server: Serving) -> None:
    try:
        code = server.process.wait()
    except Interrupted:
        return
    raise Unavailable(f"the server ended by itself, with exit code {code}", hint="what it said stands above")


@contextmanager
def _until_a_signal() -> Iterator[None]:
    """The first signal is raised as Interrupted, the second one leaves at once."""
    received: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        if received:
            os._exit(128 + number)
        received.append(number)
        raise Interrupted(number)

    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # under nohup
            signal.signal(number, handle)
    yield


def _commands(place: Path) -> list[str]:
    module, inputs = shlex.quote(str(place / "climate.wasm")), f"-i 's3://{sample.BUCKET}/daily/*:/inputs'"
    return [
        f"gadus plan wasm run {inputs} {module} /inputs",
        f"gadus wasm run {inputs} {module} /inputs",
        f"gadus docker run {inputs} busybox -- sh -c 'cat /inputs/*.csv | wc -l'",
        "gadus job list",
    ]


def _storage(s3: S3Server) -> Mapping[str, str]:
    return {
        "AWS_ENDPOINT_URL": s3.endpoint,
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        "AWS_REGION": s3.region,
    }


def _tell(server: Serving, s3: S3Server, place: Path, size_bytes: int, *, as_json: bool) -> None:
    commands = _commands(place)
    say(f"  {export(_storage(s3))}")
    say(f"A bucket with {len(sample.KEYS)} objects, {format_bytes(size_bytes)}: s3://{sample.BUCKET}/{sample.KEYS[0]} …")
    say("With those exports in another shell, try")
    for command in commands:
        say(f"  {command}")
    say("Ctrl-C ends all of it.")
    if as_json:
        variables = {**reaching(server.url, "GADUS_API_"), **reaching(server.url, "BACALHAU_API_"), **_storage(s3)}
        click.echo(
            as_line({"url": server.url, "pid": server.pid, "place": str(place), "environment": variables, "commands": commands})
        )
