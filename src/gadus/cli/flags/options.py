"""The flags that several commands share, and what their texts mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from gadus.cli.manner import Manner
from gadus.cli.show.failures import say_labelled
from gadus.core.spec import LARGEST_COUNT, NETWORK_TYPES, network_type
from gadus.core.units import parse_bytes, parse_cores

from .languages import parse_constraints, parse_env, parse_input, parse_labels, parse_publisher, parse_result_path
from .values import Parsed, whole

Command = TypeVar("Command", bound=Callable[..., Any])

_LONGEST_SECONDS = 10 * 365 * 24 * 3600


_COUNT = whole(0, LARGEST_COUNT, "4")
_SECONDS = whole(0, _LONGEST_SECONDS, "600")


def _say_no_ipfs(value: str | None) -> None:
    if value:
        say_labelled("Warning", "--ipfs-connect has no effect: nothing is read from IPFS")


def _checked(check: Callable[[str], object]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text:
            check(text)
        return text

    return parse


def _gpus(text: str) -> str:
    if text and not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text!r} is not a number of GPUs")
    return text


_INPUT = Parsed("URI[:PATH]", parse_input, "s3://bucket/logs/2024-*:/inputs")
_RESULT = Parsed("NAME:PATH", parse_result_path, "outputs:/outputs")
_PUBLISHER = Parsed("PUBLISHER", parse_publisher, "local")
_LABELS = Parsed("KEY=VALUE", lambda text: parse_labels([text]), "team=data")
_ENVIRONMENT = Parsed("KEY=VALUE", lambda text: parse_env([text]), "MODE=fast")
CONSTRAINTS = Parsed("CONSTRAINTS", parse_constraints, "Architecture=amd64,zone in (a,b)")

_JOB = [
    click.Option(["--name"], default="", help="Name of the job."),
    click.Option(["--namespace"], default="default", show_default=True, help="Namespace of the job."),
    click.Option(["--priority"], type=whole(-(2**31), 2**31 - 1, "10"), default=0, help="Higher goes first."),
    click.Option(["-l", "--labels"], type=_LABELS, multiple=True, help="Labels of the job, comma-separated or repeated."),
    click.Option(
        ["--count"], type=_COUNT, default=None, help="How many executions, each with its own partition index.  [default: 1]"
    ),
    click.Option(["--concurrency"], type=_COUNT, default=None, hidden=True),
    click.Option(["--target"], type=click.Choice(["any", "all"]), default="any", help="Run on any one node or on all nodes."),
    click.Option(["-c", "--constraints"], type=CONSTRAINTS, default=None, help="What a node's labels must be."),
    click.Option(["-s", "--selector"], type=CONSTRAINTS, default=None, hidden=True),
]
_TASK = [
    click.Option(["--task-name"], default="main", show_default=True, help="Name of the task."),
    click.Option(
        ["-i", "--input", "inputs"],
        type=_INPUT,
        multiple=True,
        help="Data for the program: s3://BUCKET/KEY, s3://BUCKET/PREFIX* or https://…, then :PATH or ,dst=PATH "
        "[default /inputs], then ,opt=NAME=VALUE (filter, region, endpoint, …).",
    ),
    click.Option(
        ["-o", "--output", "outputs"], type=_RESULT, multiple=True, help="Keep what the program leaves at PATH as NAME."
    ),
    click.Option(["-p", "--publisher"], type=_PUBLISHER, default=None, help="Where results go; they are kept here either way."),
    click.Option(["--cpu"], type=Parsed("CORES", _checked(parse_cores), "500m"), default="", help="CPU cores: 2, 0.5, 500m."),
    click.Option(["--memory"], type=Parsed("BYTES", _checked(parse_bytes), "512Mb"), default="", help="Memory: 512Mb, 2GiB."),
    click.Option(["--disk"], type=Parsed("BYTES", _checked(parse_bytes), "10Gb"), default="", help="Disk: 10Gb."),
    click.Option(["--gpu"], type=Parsed("NUMBER", _gpus, "1"), default="", help="Number of GPUs."),
    click.Option(
        ["--network"], type=Parsed("TYPE", network_type, "Full"), default="None", show_default=True, help=f"{NETWORK_TYPES}."
    ),
    click.Option(["--domain", "domains"], multiple=True, help="A domain the program may reach (with --network HTTP)."),
    click.Option(["--timeout"], type=_SECONDS, default=0, help="Seconds for the whole job; 0 for no limit."),
    click.Option(["--queue-timeout"], type=_SECONDS, default=0, help="Seconds to wait for room; 0 for no limit."),
]
_RUN = [
    click.Option(["--wait/--no-wait"], default=True, help="Follow the job to its end, or print its id and return."),
    click.Option(
        ["--wait-timeout-secs"], type=_SECONDS, default=0, help="Stop the job when it is not done after so many seconds."
    ),
    click.Option(["--id-only"], is_flag=True, help="Print the job id and nothing else."),
    click.Option(["-q", "--quiet"], is_flag=True, help="No progress: the program's output and errors only."),
    click.Option(["--dry-run"], is_flag=True, help="Print the job as YAML and run nothing."),
    click.Option(["--plan"], is_flag=True, hidden=True),
    click.Option(["-f", "--follow"], is_flag=True, help="Go on following a job of a server that does not end by itself."),
    click.Option(["--node-details"], is_flag=True, help="At the end also what the program wrote on each node."),
    click.Option(["--force"], is_flag=True, help="Submit a service or daemon job again though nothing of it changed."),
    click.Option(["--hide-warnings"], is_flag=True, help="No warnings about what of a job is ignored."),
    # Of other versions of Bacalhau: what they ask for happens anyway, or means nothing here.
    click.Option(["--show-warnings"], is_flag=True, hidden=True, expose_value=False),
    click.Option(["--group-events"], is_flag=True, hidden=True, expose_value=False),
]
IPFS = click.Option(
    ["--ipfs-connect"], hidden=True, expose_value=False, callback=lambda _ctx, _option, value: _say_no_ipfs(value)
)
ENVIRONMENT = click.Option(
    ["-e", "--env", "environment"], type=_ENVIRONMENT, multiple=True, help="KEY=VALUE for the program; repeatable."
)
MANNER_FLAGS = (
    "wait",
    "id_only",
    "quiet",
    "dry_run",
    "plan",
    "follow",
    "node_details",
    "force",
    "hide_warnings",
    "as_json",
)


def with_job_flags(command: Command) -> Command:
    """`command` with the flags of a job and its task, which `assemble.job_spec` reads."""
    return _with(command, [*_JOB, *_TASK])


def with_run_flags(command: Command) -> Command:
    """`command` with the flags of `Manner`."""
    return _with(command, _RUN)


def manner(flags: dict[str, Any]) -> Manner:
    """What the run flags say; takes them out of `flags`."""
    said = {name: flags.pop(name) for name in MANNER_FLAGS if name in flags}
    return Manner(wait_seconds=flags.pop("wait_timeout_secs"), **said)


def _with(command: Command, options: list[click.Option]) -> Command:
    # The order click itself gives to decorators: collected here, attached by @click.command.
    known: list[click.Parameter] = command.__dict__.setdefault("__click_params__", [])
    known.extend(reversed(options))
    return command
