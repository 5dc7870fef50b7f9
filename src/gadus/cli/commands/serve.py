"""``gadus serve``: the server, until a signal ends it."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import socket
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gadus.cli.flags.values import whole
from gadus.cli.lazy import Command, UsageMistake, settings_of
from gadus.cli.show.ending import as_line
from gadus.cli.show.text import count_of
from gadus.config import Settings
from gadus.config.values import LOG_MODES
from gadus.eventloop import new_event_loop
from gadus.orchestrator.background import Background
from gadus.watch.jobs import JobsSeen
from gadus.watch.lines import note
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
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="The address to listen at; so far one of this machine only."
)
@click.option("--port", type=whole(0, 65535, "1234"), default=1234, show_default=True, help="0 takes one that is free.")
@click.option("--log-mode", type=click.Choice(LOG_MODES, case_sensitive=False), help="How the log looks; else GADUS_LOG_MODE.")
@click.pass_context
def serve(ctx: click.Context, /, host: str, port: int, log_mode: str | None, *, as_json: bool) -> None:
    """
    Run jobs for others: keep them, place them, answer the REST API.

    SIGTERM or Ctrl-C ends the server; what runs then runs on, and the next server finds it again.
    """
    address = _own_address(host, ctx)
    settings = settings_of(ctx)
    with (
        occupied(settings) as where,
        listening(address, port) as listener,
        logging_to(2, mode=log_mode or settings.watch.log_mode, level=settings.watch.log_level) as log,
        asyncio.Runner(loop_factory=new_event_loop) as runner,
    ):
        runner.run(_serve(settings, listener, where, log, as_json=as_json))


async def _serve(settings: Settings, listener: socket.socket, where: Path, log: Aside, *, as_json: bool) -> None:
    ended = _signals()
    metrics = Metrics()
    with _traces(settings) as traces:
        async with open_server(settings, JobsSeen(metrics, traces), metrics.took) as opened:
            watching = Watching(metrics, opened.readiness, lambda: log.dropped)
            rooms = Rooms(opened.server, opened.service, settings, params_model, watching=watching)
            url = url_of(listener)
            async with served(Watched(application(rooms), metrics), listener, rooms.closing):
                announce(where, url)
                note(f"Gadus serves {url}; its data directory is {settings.data_dir}")
                if as_json:
                    click.echo(as_line(_about(url, listener)))
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


def _own_address(host: str, ctx: click.Context) -> str:
    name = "127.0.0.1" if host == "localhost" else host.strip("[]")
    try:
        if ipaddress.ip_address(name).is_loopback:
            return name
    except ValueError:
        pass
    raise UsageMistake(
        f"--host {host}: is not an address of this machine alone, and there is no access control yet",
        hint="use 127.0.0.1, and reach it from elsewhere through a tunnel, e.g. ssh -L 1234:127.0.0.1:1234",
        ctx=ctx,
    )
