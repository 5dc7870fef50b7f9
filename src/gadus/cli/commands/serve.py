"""``gadus serve``: the server, until a signal ends it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gadus.cli.flags.exposure import Exposure, exposure_of, said_of_exposure, with_exposure_flags
from gadus.cli.flags.node import node_flags, refuse_other_roles, with_node_flags
from gadus.cli.lazy import Command, settings_of
from gadus.cli.show.ending import as_line
from gadus.cli.show.failures import say
from gadus.cli.show.reaching import how_to_reach
from gadus.cli.show.text import count_of
from gadus.config import Settings
from gadus.eventloop import expect_a_long_run, new_event_loop
from gadus.orchestrator.background import Background
from gadus.watch.jobs import JobsSeen
from gadus.watch.lines import Json, note
from gadus.watch.metrics import Metrics
from gadus.watch.stderr import Aside, logging_to
from gadus.web.answering import Rooms, Watching
from gadus.web.app import application
from gadus.web.occupied import announce, occupied
from gadus.web.serving import listening, served, url_of
from gadus.web.watched import Watched
from gadus.wiring import open_server, params_model

if TYPE_CHECKING:
    from gadus.watch.traces import Traces

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
        logging_to(2, mode=settings.watch.log_mode, level=settings.watch.log_level) as log,
        asyncio.Runner(loop_factory=new_event_loop) as runner,
    ):
        runner.run(_serve(settings, listener, where, exposure, log, as_json=as_json))


async def _serve(
    settings: Settings, listener: socket.socket, where: Path, exposure: Exposure, log: Aside, *, as_json: bool
) -> None:
    ended = _signals()
    metrics = Metrics()
    with _traces(settings) as traces:
        async with open_server(settings, JobsSeen(metrics, traces), metrics.took) as opened:
            watching = Watching(metrics, opened.readiness, lambda: log.dropped)
            rooms = Rooms(
                opened.server,
                opened.service,
                settings,
                params_model,
                watching=watching,
                gate=exposure.gate,
                hosts=exposure.hosts,
            )
            url = url_of(listener, secure=exposure.certificate is not None)
            async with served(Watched(application(rooms), metrics), listener, rooms.closing, exposure.certificate):
                announce(where, url)
                # For people as it is, to be read and copied; what a program reads has one form.
                tell = note if isinstance(log.formatter, Json) else say
                tell(f"Gadus serves {url}; its data directory is {settings.data_dir}")
                for line in (*exposure.words(), *how_to_reach(url, settings)):
                    tell(line)
                if as_json:
                    click.echo(as_line(_about(url, listener)))
                expect_a_long_run()
                await _until(ended, opened.background)
            runs = opened.server.follows
    note(_last_words(runs))


def _about(url: str, listener: socket.socket) -> dict[str, Any]:
    host, port = listener.getsockname()[:2]
    return {"url": url, "host": host, "port": port, "pid": os.getpid()}


def _traces(settings: Settings) -> AbstractContextManager[Traces | None]:
    if not settings.watch.otlp_endpoint:
        return nullcontext()
    # Only here: what sends them is an extra, and takes its time to load.
    from gadus.watch.traces import traces_to  # noqa: PLC0415

    return traces_to(settings.watch.otlp_endpoint)


async def _until(ended: asyncio.Event, background: Background) -> None:
    """Wait for a signal; raises what is wrong with the driving of jobs itself."""
    waiting = asyncio.ensure_future(ended.wait())
    both: tuple[asyncio.Future[Any], ...] = (waiting, background.failure)
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if background.failure.done():
        background.failure.result()


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
