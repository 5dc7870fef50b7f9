"""A plan for a server is the same as one for the machine it runs on, and changes nothing there."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from command import PROBE
from served import Ask, Server, ask, serving  # noqa: F401 - fixtures
from test_cli_remote_run import job

from faultproxy import Fault, FaultProxy, black_hole
from gadus.testing.seaweedfs import S3Server
from gadus.web.plans import MOST_AT_ONCE
from s3_server import Bucket

WASM = ("wasm", "run")
PLAN = "/api/v1/orchestrator/plan"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, s3: S3Server) -> Iterator[Server]:
    """One that has the credentials of the real S3 server."""
    with serving(tmp_path_factory.mktemp("served"), extra=s3.environment()) as running:
        yield running


@pytest.fixture
def logs(bucket: Bucket, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    for number in range(30):
        bucket.put(f"logs/{number:02}.txt", b"x" * 10 * number)
    for name, text in s3.environment().items():
        monkeypatch.setenv(name, text)
    return bucket


def posted(server: Server, document: Any, **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    connection.request("POST", PLAN, json.dumps(document), {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text)


def without_free(text: bytes) -> str:
    """What is free on the disk is another number each time."""
    own = r'[\d.]+ (?:GiB|MiB) free disk|free disk: .*|cache: .*|"(?:free|disk|cache_used|cache_limit)_bytes": \d+'
    return re.sub(own, "", text.decode())


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        (["--count", "25"], 0),
        (["--json"], 0),
        (["--memory", "900TB", "-c", "zone=moon", "-p", "s3://b/k", "-i", "s3://no-such-bucket-here/none:/a"], 2),
    ],
    ids=lambda value: str(value[0]) if isinstance(value, list) else str(value),
)
def test_plan_there_says_what_a_plan_here_says(ask: Ask, logs: Bucket, flags: list[str], code: int) -> None:  # noqa: F811
    words = ("plan", *WASM, *flags, "-i", f"s3://{logs.name}/logs/*,dst=/in,opt=partition=object", str(PROBE), "list", "/in")
    here, there = (ask(*words, **host) for host in ({"host": "none"}, {}))
    assert (there.code, there.err) == (here.code, here.err) == (code, "")
    assert without_free(there.out) == without_free(here.out)
    assert b"30" in there.out


def test_wrong_params_are_told_with_all_the_rest(ask: Ask, logs: Bucket) -> None:  # noqa: F811
    words = ("plan", "docker", "run", "--workdir", "here", "-i", f"s3://{logs.name}/none:/a", "busybox")
    here, there = (ask(*words, **host) for host in ({"host": "none"}, {}))
    assert (there.code, there.err, without_free(there.out)) == (2, here.err, without_free(here.out))
    assert b"WorkingDirectory" in there.out
    assert b"none does not exist" in there.out


def test_service_can_be_planned_where_it_can_run(ask: Ask) -> None:  # noqa: F811
    text = job("forever", kind="service", name="planned")
    here, there = (ask("plan", "-", stdin=text, **host) for host in ({"host": "none"}, {}))
    assert (here.code, there.code, there.out.decode().splitlines()[0]) == (2, 0, "Job planned: service, 1 execution")


def test_plan_stores_no_job_and_downloads_nothing(ask: Ask, server: Server, logs: Bucket) -> None:  # noqa: F811
    before = ask("job", "list", "--json", "--limit", "0").document
    assert ask("plan", *WASM, "-i", f"s3://{logs.name}/logs/1*:/in", str(PROBE)).code == 0
    assert ask("job", "list", "--json", "--limit", "0").document == before
    cache = server.here.data_dir / "cache"
    assert [path for name in ("objects", "trees") for path in (cache / name).rglob("*") if path.is_file()] == []
    assert list((server.here.data_dir / "manifests").glob("draft-*")) == []


def test_answer_is_one_document_for_those_who_want_no_lines(server: Server) -> None:
    status, answer = posted(server, {"Job": yaml.safe_load(job("return"))})
    assert (status, answer["Plan"]["can_run"], answer["Warnings"]) == (200, True, None)
    status, answer = posted(server, {"Job": {"Type": "batch", "Tasks": [], "Colour": "red"}})
    assert (status, answer["Code"], "Colour" in answer["Message"]) == (400, "ValidationError", True)
    status, answer = posted(server, {"Job": yaml.safe_load(job("return")), "More": "x" * (1 << 20)})
    assert (status, "1048576 bytes" in answer["Message"]) == (413, True)


@pytest.fixture
async def slow(tmp_path: Path, s3: S3Server, proxy: FaultProxy) -> Any:
    """A server that reaches S3 only through the proxy."""
    through = s3.environment() | {"AWS_ENDPOINT_URL_S3": proxy.server.endpoint, "AWS_ENDPOINT_URL": proxy.server.endpoint}
    opened = serving(tmp_path, extra=through)
    yield await asyncio.to_thread(opened.__enter__)
    await asyncio.to_thread(opened.__exit__, None, None, None)


async def test_long_listing_is_told(slow: Server, logs: Bucket, proxy: FaultProxy) -> None:
    proxy.add(Fault(delay_seconds=2.2), when=lambda request: "prefix" in request.query)
    words = ("plan", *WASM, "-i", f"s3://{logs.name}/logs/*:/in", str(PROBE))
    talking = await asyncio.to_thread(slow.there, *words)
    assert (talking.code, talking.out.count(b"Listing")) == (0, 0)
    assert re.search(r"^Listing: 31 objects, .* so far$", talking.err, re.MULTILINE), talking.err
    quiet = await asyncio.to_thread(slow.there, "plan", "--quiet", *words[1:])
    assert (quiet.code, quiet.err) == (0, "")


@pytest.mark.timeout(240)
async def test_plans_are_bounded_and_end_when_nobody_waits_for_them(slow: Server, logs: Bucket, proxy: FaultProxy) -> None:
    """1 as many as may be at once never end; 2 one more is refused; 3 their clients go away; 4 there is room again."""
    proxy.add(black_hole(), when=lambda request: request.query.get("prefix", "").startswith("logs/2"))
    source = {"Type": "s3", "Params": {"Bucket": logs.name, "Key": "logs/2*"}}
    endless = {"Job": yaml.safe_load(job("list", "/in", inputs=[{"Source": source, "Target": "/in"}]))}
    plain = {"Job": yaml.safe_load(job("return"))}
    waiting = [socket.create_connection(("127.0.0.1", int(slow.port)), timeout=60) for _ in range(MOST_AT_ONCE)]
    for number, connection in enumerate(waiting):
        body = json.dumps(endless).encode()
        kind = "application/x-ndjson" if number % 2 else "application/json"
        head = f"POST {PLAN} HTTP/1.1\r\nHost: localhost\r\nAccept: {kind}\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async def until(status: int) -> dict[str, Any]:
        async with asyncio.timeout(80):
            while True:
                seen, answer = await asyncio.to_thread(posted, slow, plain)
                if seen == status:
                    return dict(answer)

    assert f"{MOST_AT_ONCE} plans are being made" in (await until(429))["Message"]
    for connection in waiting:
        connection.close()
    assert (await until(200))["Plan"]["can_run"]
