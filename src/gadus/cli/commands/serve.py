"""``gadus serve``: the server, until a signal ends it."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import click

from gadus.cli.flags.exposure import Exposure, exposure_of, said_of_exposure, with_exposure_flags
from gadus.cli.flags.node import node_flags, refuse_other_roles, with_node_flags
from gadus.cli.lazy import Command, settings_of
from gadus.cli.show.ending import as_line
from gadus.cli.show.failures import say
from gadus.cli.show.reaching import how_to_reach
from gadus.cli.show.text import count_of
from gadus.config import Settings
from gadus.eventloop import new_event_loop
from gadus.orchestrator.server import Server
from gadus.web.answering import Rooms
from gadus.web.app import application
from gadus.web.occupied import announce, occupied
from gadus.web.serving import listening, served, url_of
from gadus.wiring import open_server, params_model

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.command(cls=Command)
@with_node_flags
@with_exposure_flags
@click.pass_context
def serve(ctx: click.Context, /, *, as_json: bool, **flags: Any) -> None:
    """
    Run jobs for others: keep them, place them, answer the REST API.

    SIGTERM or Ctrl-C ends the server; what runs then runs on, and the next server finds it again.
    """
    settings = settings_of(ctx, {**node_flags(flags, ctx), **said_of_exposure(flags)})
    refuse_other_roles(settings, ctx)
    exposure = exposure_of(ctx, settings, flags)
    with (
        occupied(settings) as where,
        listening(exposure.address, settings.port) as listener,
        asyncio.Runner(loop_factory=new_event_loop) as runner,
    ):
        runner.run(_serve(settings, listener, where, exposure, as_json=as_json))


async def _serve(settings: Settings, listener: Any, where: Path, exposure: Exposure, *, as_json: bool) -> None:
    ended = _signals()
    async with open_server(settings) as (server, service):
        rooms = Rooms(server, service, settings, params_model, gate=exposure.gate, hosts=exposure.hosts)
        url = url_of(listener, secure=exposure.certificate is not None)
        async with served(application(rooms), listener, rooms.closing, exposure.certificate):
            announce(where, url)
            say(f"Gadus serves {url}; its data directory is {settings.data_dir}")
            for line in (*exposure.words(), *how_to_reach(url, settings)):
                say(line)
            if as_json:
                click.echo(
                    as_line(
                        {"url": url, "host": listener.getsockname()[0], "port": listener.getsockname()[1], "pid": os.getpid()}
                    )
                )
            await _until(ended, server)
        runs = server.follows
    say(_last_words(runs))


async def _until(ended: asyncio.Event, server: Server) -> None:
    """Wait for a signal; raises what is wrong with the driving of jobs itself."""
    waiting = asyncio.ensure_future(ended.wait())
    both: tuple[asyncio.Future[Any], ...] = (waiting, server.failure)
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if server.failure.done():
        server.failure.result()


def _signals() -> asyncio.Event:
    """Set by the first signal to end; a second one leaves the process at once."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def handle(number: int) -> None:
        if ended.is_set():
            os._exit(128 + number)
        ended.set()

    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # under nohup
            loop.add_signal_handler(number, handle, number)
    return ended


def _last_words(runs: int) -> str:
    if not runs:
        return "Stopped."
    rest = "runs on; the next server finds it again" if runs == 1 else "run on; the next server finds them again"
    return f"Stopped. {count_of(runs, 'execution')} {rest}."
