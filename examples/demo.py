"""
Shows Gadus at work on this machine: a question to data in a real S3 server, answered by a small program, then asked again.

Everything lives in a temporary directory and is gone afterwards. Run it with ``make demo``.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from gadus.config import Settings
from gadus.core.errors import GadusError
from gadus.core.units import format_bytes
from gadus.testing.seaweedfs import S3Server, seaweedfs
from gadus.wiring import open_service

EXAMPLES = Path(__file__).resolve().parent
PROJECT = EXAMPLES.parent
BUCKET = "weather"
COMMAND_SECONDS = 120


def main() -> int:
    print("Gadus runs a program where the data is named, not where it lies. Three steps:\n")
    try:
        with tempfile.TemporaryDirectory(prefix="gadus-demo-") as temporary, seaweedfs() as server:
            return demonstrate(server, Path(temporary))
    except GadusError as error:
        print(f"Error: {error.message}\nHint: {error.hint}", file=sys.stderr)
        return error.exit_code


def demonstrate(server: S3Server, temporary: Path) -> int:
    """Three steps, each with the command that a person would type; gives the exit code of the first that fails."""
    step(1, "An S3 server (SeaweedFS) with a versioned bucket of daily weather records")
    with closing(server.client()) as client:
        fill(client)

    data_dir = temporary / "gadus"
    environment = {**os.environ, **server.environment(), "GADUS_DATA_DIR": str(data_dir)}
    question = ["wasm", "run", "-i", f"s3://{BUCKET}/daily/seattle-*:/inputs", "examples/weather/climate.wasm", "/inputs"]

    step(2, "A WebAssembly program over every object that the wildcard names")
    code = gadus(question, environment)
    if code:
        return code

    step(3, "The same again: the objects and the compiled program are here already")
    code = gadus(question, environment)
    if code:
        return code

    warm_seconds, cold_seconds = seconds_until_start(data_dir)
    print(f"From the question to the program's start: {cold_seconds:.2f} s, and {warm_seconds:.2f} s when asked again.")
    print("Now yours: gadus wasm run --help, or with a container engine gadus docker run --help.")
    return 0


def fill(client: Any) -> None:
    """Make the bucket and put the example's records into it."""
    client.create_bucket(Bucket=BUCKET)
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    files = sorted((EXAMPLES / "data").glob("*.csv"))
    for file in files:
        client.put_object(Bucket=BUCKET, Key=f"daily/{file.name}", Body=file.read_bytes())
    size_bytes = sum(file.stat().st_size for file in files)
    print(f"  {len(files)} objects, {format_bytes(size_bytes)}: s3://{BUCKET}/daily/{files[0].name} … {files[-1].name}\n")


def gadus(words: list[str], environment: Mapping[str, str]) -> int:
    """Show the command and run it as a person would; gives its exit code."""
    print(f"  $ gadus {shlex.join(words)}\n", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "gadus", *words], cwd=PROJECT, env=environment, timeout=COMMAND_SECONDS, check=False
    )
    print(flush=True)
    return done.returncode


def seconds_until_start(data_dir: Path) -> list[float]:
    """How long each job staged its inputs and prepared its program, which happens side by side; newest first."""
    with open_service(Settings(data_dir=data_dir)) as service:
        receipts = [one.outcome.receipt for job in service.jobs(limit=2) for one in job.executions if one.outcome]
    return [max(receipt["seconds"]["staging"], receipt["seconds"]["preparing"]) for receipt in receipts]


def step(number: int, text: str) -> None:
    print(f"{number}. {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
