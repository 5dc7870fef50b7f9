"""No descriptor is closed twice: the second time its number may be somebody else's."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gadus.engines._wasm_pipes import give, pieces

_RUN = """
import asyncio, sys
sys.path[:0] = [sys.argv[1]]
from pathlib import Path
from gadus.config import Settings
from gadus.engines.wasm import Engine
from gadus.testing.engines import program_of, ran
from gadus.eventloop import new_event_loop
from wasm_probe import example
with asyncio.Runner(loop_factory=new_event_loop) as runner:
    engine = Engine(Settings(data_dir=Path(sys.argv[2])))
    if sys.argv[3] == "forked":
        engine.ahead()
    code, heard = runner.run(ran(engine, program_of(example("print", "out", "err"))))
    assert (code, heard.stdout, heard.stderr) == (0, b"out", b"err")
"""


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed; apt-get install strace")
@pytest.mark.parametrize("how", ["started", "forked"])
def test_program_is_run_without_closing_anything_twice(tmp_path: Path, how: str) -> None:
    trace = tmp_path / "trace"
    words = ["strace", "-f", "-e", "trace=close", "-o", str(trace), sys.executable, "-c", _RUN]
    subprocess.run([*words, str(Path(__file__).parents[1]), str(tmp_path / "data"), how], check=True)
    assert [line for line in trace.read_text().splitlines() if "EBADF" in line] == []


@given(st.binary(max_size=300_000))
def test_what_is_given_comes_out_in_order_and_both_ends_are_closed(data: bytes) -> None:
    out, in_ = os.pipe()

    async def through() -> bytes:
        giving = asyncio.create_task(give(in_, data))
        came = b"".join([piece async for piece in pieces(out)])
        await giving
        return came

    assert asyncio.run(through()) == data
    for descriptor in (out, in_):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


async def test_giving_ends_when_nobody_reads_any_more() -> None:
    out, in_ = os.pipe()
    giving = asyncio.create_task(give(in_, b"x" * 1_000_000))
    await asyncio.sleep(0)
    os.close(out)
    async with asyncio.timeout(10):
        await giving
