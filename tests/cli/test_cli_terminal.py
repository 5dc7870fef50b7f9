"""What a person at a terminal sees, and what Ctrl-C leaves."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from command import PROBE, Cli

from faultproxy import Fault, FaultProxy

WASM = ("wasm", "run")
SOON_SECONDS = 6
"""Two on an idle machine; what is not stopped as it should be takes ten and more."""


async def test_terminal_shows_progress_and_the_output_is_intact(cli: Cli, proxy: FaultProxy, bucket, tmp_path: Path):
    bodies = [b"line\n" * 4000 * number for number in range(1, 7)]
    for number, body in enumerate(bodies):
        bucket.put(f"slow/{number}.txt", body)
    # The larger an object, the later it is whole: from a third of a second to two.
    proxy.add(Fault(bytes_per_second=60_000), key="slow/*")
    cli.environment |= proxy.server.environment()
    output = tmp_path / "output"
    with output.open("wb") as stdout:
        words = [*WASM, "-i", f"s3://{bucket.name}/slow/*:/in", str(PROBE), "read", "/in/5.txt"]
        code, shown = await asyncio.to_thread(cli.on_terminal, *words, stdout=stdout)
    assert code == 0
    assert output.read_bytes() == bodies[5]
    assert re.search(r"Staging .* [1-5]/6 objects  \d+\.\d KiB of 410\.2 KiB \(\d+ %\)  .*KiB/s", shown)
    assert "Done in" in shown
    # The cursor is back.
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l")


async def test_plain_lines_tell_progress_every_two_seconds_at_most(cli: Cli, proxy: FaultProxy, bucket):
    for number in range(1, 6):
        bucket.put(f"slow/{number}.txt", b"x" * 30_000 * number)
    proxy.add(Fault(bytes_per_second=30_000), key="slow/*")
    cli.environment |= proxy.server.environment()
    done = await asyncio.to_thread(cli, *WASM, "-i", f"s3://{bucket.name}/slow/*:/in", str(PROBE), "list", "/in")
    lines = done.err.splitlines()
    progress = [line for line in lines if line.startswith("Staging: ")]
    (took,) = re.findall(r"^Staged 5 objects, 439\.5 KiB \(0 B of it cached\) in ([\d.]+) s", done.err, re.MULTILINE)
    # Five seconds of staging, or more where the machine is busy.
    assert 1 <= len(progress) <= float(took) / 2 + 1
    assert re.fullmatch(
        r"Staging: .* KiB of 439\.5 KiB \(\d+ %\), \d of 5 objects, .* KiB/s, about .* s left, 0 % cached", progress[0]
    )
    assert [line for line in lines if line.startswith("Prepared in ")]


def test_output_on_the_same_terminal_comes_after_the_bars_are_gone(cli: Cli):
    code, shown = cli.on_terminal(*WASM, str(PROBE), "print", "the answer", "")
    assert code == 0
    answer = shown.index("the answer")
    assert "\x1b" not in shown[answer:]
    assert shown[answer:].startswith("the answer\r\nDone in")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signal_during_staging_cleans_up_soon(cli: Cli, proxy: FaultProxy, bucket, eventually, number):
    bucket.put("stuck.bin", b"x" * 1_000_000)
    proxy.add(Fault(stall_after=1000), key="stuck.bin")
    cli.environment |= proxy.server.environment()
    process = cli.start(*WASM, "-i", f"s3://{bucket.name}/stuck.bin:/in", str(PROBE), "list", "/in")
    await asyncio.to_thread(eventually, lambda: proxy.seen("GET", "stuck.bin"))
    await asyncio.to_thread(_leaves, cli, process, number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_during_the_run_cleans_up_soon(cli: Cli, number):
    process = cli.start(*WASM, str(PROBE), "forever")
    assert process.stdout.readline() == b"running\n"
    _leaves(cli, process, number)


def test_second_signal_leaves_at_once(cli: Cli):
    """
    1. Ctrl-C begins to clean up, which would end with 130.
    2. Before that is through comes a SIGTERM, which ends it with its own code.
    """
    process = cli.start(*WASM, str(PROBE), "forever")
    assert process.stdout.readline() == b"running\n"
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143


def test_ctrl_c_while_nobody_reads_the_output_ends_it(cli: Cli, eventually):
    process = cli.start(*WASM, "-q", str(PROBE), "much", "2000000000")
    # The pipe is full: what the program writes piles up in the kept log and waits here.
    eventually(lambda: _kept_bytes(cli) > 16_500_000)
    _leaves(cli, process, signal.SIGINT)


def test_job_stopped_from_elsewhere_ends_the_run(cli: Cli):
    process = cli.start(*WASM, "--name", "endless", str(PROBE), "forever")
    assert process.stdout.readline() == b"running\n"
    assert cli("job", "stop", "endless", "--reason", "enough").code == 0
    _, err = process.communicate(timeout=10)
    assert process.returncode == 1
    assert b"was stopped: enough" in err
    assert cli.left_behind == []
    again = cli("job", "stop", "endless")
    assert (again.code, "already in a terminal state" in again.err) == (2, True)


def _kept_bytes(cli: Cli) -> int:
    """What is kept of the output of running programs: the head, and stretches of the tail beside it."""
    kept = 0
    for file in cli.data_dir.glob("executions/*/**/*"):
        with suppress(FileNotFoundError):
            kept += file.stat().st_size
    return kept


def _leaves(cli: Cli, process, number: int) -> None:
    start = time.monotonic()
    process.send_signal(number)
    process.wait(30)
    assert time.monotonic() - start < SOON_SECONDS
    assert process.returncode == 128 + number
    assert process.stderr.read().decode().endswith("Stopped.\n")
    assert cli.left_behind == []
    assert cli("job", "list", "--json").document[0]["State"]["StateType"] == "Stopped"
