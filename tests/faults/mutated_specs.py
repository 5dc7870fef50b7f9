"""
Submits jobs with something changed at random, and says how the server took them.

    python tests/faults/mutated_specs.py --specs 1000000 --seed 7

None may be answered with a status of 5xx, none may take longer than a second, and the memory of the server may not grow with
their number. What is accepted asks for a label that no node has, unless the change took that away.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import rooms  # noqa: F401 - finds the parts of other rooms
from running import Running, serving, wasm_job

from mutations import mutated

CLIENTS = 4
_PATIENCE_SECONDS = 60.0
_HEAD = (
    b"PUT /api/v1/orchestrator/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
)
_NOWHERE = {"Constraints": [{"Key": "nowhere", "Operator": "=", "Values": ["yes"]}]}


@dataclass
class MutatedSpecs:
    """One run; `statuses` and `wrong` are what it found."""

    server: Running
    seed: int
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest_seconds: float = 0.0
    rss_bytes: list[int] = field(default_factory=list)
    say: Callable[[str], None] = lambda _: None

    async def run(self, specs: int) -> None:
        """Submit so many."""
        parts = 10
        for part in range(parts):
            async with asyncio.TaskGroup() as group:
                for client in range(CLIENTS):
                    chance = random.Random(f"{self.seed}/{part}/{client}")
                    group.create_task(self._submit(specs // parts // CLIENTS, chance))
            self.rss_bytes.append(_rss_bytes(self.server.process.pid))
            self.say(f"{sum(self.statuses.values()):,} specs, {self.rss_bytes[-1] >> 20} MiB, {dict(self.statuses)}")

    async def _submit(self, specs: int, chance: random.Random) -> None:
        url = urlsplit(self.server.url)
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        for _ in range(specs):
            job = mutated(chance.choice(_JOBS), chance)
            body = json.dumps({"Job": job}).encode()
            began = time.monotonic()
            writer.write(_HEAD % len(body) + body)
            async with asyncio.timeout(_PATIENCE_SECONDS):
                status, answer = await _answer(reader)
            self._note(status, time.monotonic() - began, job, answer)
        writer.close()

    def _note(self, status: int, seconds: float, job: dict[str, Any], answer: bytes) -> None:
        self.statuses[status] += 1
        self.slowest_seconds = max(self.slowest_seconds, seconds)
        told = json.loads(answer)
        if status >= 500 or (status != 200 and not told["Message"]):
            self.wrong.append(f"{status} for {json.dumps(job)[:2000]}: {answer[:500]!r}")


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:"))
    return int(lines[0].split()[1]), await reader.readexactly(length)


def _rss_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) * 1024


def _docker_job() -> dict[str, Any]:
    inputs = {"Bucket": "b", "Key": "logs/*", "Filter": r"\.gz$", "Region": "eu-west-1", "Endpoint": "http://127.0.0.1:1"}
    task = {
        "Name": "main",
        "Engine": {"Type": "docker", "Params": {"Image": "busybox:1.36", "Entrypoint": ["sh", "-c"], "Parameters": ["true"]}},
        "InputSources": [{"Source": {"Type": "s3", "Params": inputs}, "Alias": "logs", "Target": "/in"}],
        "ResultPaths": [{"Name": "out", "Path": "/out"}],
        "Env": {"MODE": "fast"},
        "Resources": {"CPU": "500m", "Memory": "256Mb", "Disk": "1gb", "GPU": "0"},
        "Network": {"Type": "HTTP", "Domains": ["example.com"]},
        "Timeouts": {"ExecutionTimeout": 300, "QueueTimeout": 1, "TotalTimeout": 1200},
    }
    labels = {"Labels": {"team": "data"}, "Meta": {"a": "b"}, "Priority": 5, "Namespace": "default"}
    return {"Name": "mutated", "Type": "batch", "Count": 2, "Tasks": [task], **labels, **_NOWHERE}


_JOBS = [_docker_job(), wasm_job("return", **_NOWHERE)]


def main() -> int:
    """Run, and tell what was found; 1 when something was wrong."""
    parser = argparse.ArgumentParser(description="Submit jobs with something changed at random.")
    parser.add_argument("--specs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    chosen = parser.parse_args()
    say = _told
    with tempfile.TemporaryDirectory() as home, serving(Path(home)) as server:
        found = MutatedSpecs(server, chosen.seed, say=say)
        asyncio.run(found.run(chosen.specs))
    say(f"seed {chosen.seed}: the slowest took {found.slowest_seconds:.3f} s")
    for wrong in found.wrong[:20]:
        say(wrong)
    say(f"{len(found.wrong)} wrong")
    return 1 if found.wrong or found.slowest_seconds > 1 else 0


def _told(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
