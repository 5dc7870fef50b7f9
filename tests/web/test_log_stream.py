"""Logs over a WebSocket, as clients of Bacalhau read them, and their frames as plain lines."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from running import API, Answer, Running, eventually, wasm_job
from ticking import ticking_job
from websockets.sync.client import ClientConnection, connect

LATE = {"X_Bacalhau_Git_Version": "v1.9.3"}


@contextmanager
def listening(server: Running, path: str) -> Iterator[ClientConnection]:
    url = f"ws{server.url.removeprefix('http')}{API}/jobs/{path}"
    with connect(url, proxy=None, compression=None, open_timeout=60) as client:
        yield client


def frames_of(client: ClientConnection) -> list[dict[str, Any]]:
    """Every frame until the end, which must be that of a connection that has served its purpose."""
    texts = list(client)
    assert (client.close_code, client.close_reason) == (1000, "")
    assert all(isinstance(text, str) and text.endswith("\n") for text in texts)
    return [json.loads(text) for text in texts]


def said(server: Running, path: str) -> list[dict[str, Any]]:
    with listening(server, path) as client:
        return frames_of(client)


@pytest.fixture(scope="module")
def finished(server: Running) -> str:
    """The id of a job that wrote lines to one stream, and half a line to the other."""
    job_id = server.submit(wasm_job("print", "one\ntwö\n", "to stderr"))
    server.wait_for(job_id, "Completed")
    return job_id


def test_what_was_written_is_replayed_line_by_line_one_stream_after_the_other(server: Running, finished: str):
    expected = [
        {"value": {"Type": 1, "Line": "one\n"}},
        {"value": {"Type": 1, "Line": "twö\n"}},
        {"value": {"Type": 2, "Line": "to stderr\n"}},
    ]
    assert said(server, f"{finished}/logs") == expected
    assert said(server, f"{finished}/logs?follow=true&tail=true") == expected


def test_the_whole_log_is_replayed(server: Running):
    job_id = server.submit(wasm_job("much", "200000"))
    server.wait_for(job_id, "Completed")
    plain = server("GET", f"{API}/jobs/{job_id}/logs").body.decode()
    assert len(plain) >= 200_000
    assert "".join(frame["value"]["Line"] for frame in said(server, f"{job_id}/logs")).rstrip("\n") == plain.rstrip("\n")


def test_follower_sees_what_is_written_until_the_job_is_stopped(server: Running):
    job_id = server.submit(ticking_job(0.1))
    with listening(server, f"{job_id}/logs?follow=true") as client:
        first = [json.loads(client.recv(60)) for _ in range(3)]
        server("DELETE", f"{API}/jobs/{job_id}")
        rest = frames_of(client)
    seen = "".join(frame["value"]["Line"] for frame in first + rest)
    assert seen == server("GET", f"{API}/jobs/{job_id}/logs").body.decode()
    assert {frame["value"]["Type"] for frame in first} == {1}


def test_who_does_not_follow_gets_what_there_is(server: Running):
    job_id = server.submit(wasm_job("forever"))
    eventually(lambda: server.get(f"/jobs/{job_id}/executions")["Items"])
    eventually(lambda: said(server, f"{job_id}/logs") == [{"value": {"Type": 1, "Line": "running\n"}}])
    assert said(server, f"{job_id}/logs?tail=true") == []
    with listening(server, f"{job_id}/logs?tail=true&follow=true") as client:
        # Answered only by a server that has begun to send.
        client.ping().wait(60)
        server("DELETE", f"{API}/jobs/{job_id}")
        assert frames_of(client) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("j-00000000-0000-0000-0000-000000000000/logs", "job not found"),
        ("{job}/logs?execution_id=e-nothing", "unable to find execution e-nothing"),
        ("{job}/logs?follow=perhaps", "follow: 'perhaps' is neither true nor false"),
        ("{job}/logs?job_version=7", "has no version 7"),
    ],
)
def test_what_is_wrong_is_told_in_a_frame(server: Running, finished: str, path: str, text: str):
    (frame,) = said(server, path.format(job=finished))
    assert list(frame) == ["error", "value"]
    assert text in frame["error"]
    assert frame["value"] == {"Type": 0, "Line": ""}


def test_job_that_runs_nowhere_has_no_log(server: Running):
    job_id = server.submit(wasm_job(task={"Resources": {"CPU": "9999"}, "Timeouts": {"QueueTimeout": 600}}))
    (frame,) = said(server, f"{job_id}/logs")
    assert f"no executions found for job {job_id}" in frame["error"]


def test_failed_execution_is_read_when_there_is_no_other(server: Running):
    job_id = server.submit(ticking_job(0.05))
    with listening(server, f"{job_id}/logs?follow=true") as client:
        client.recv(60)
    server("DELETE", f"{API}/jobs/{job_id}")
    server.wait_for(job_id, "Stopped")
    eventually(lambda: server.get(f"/jobs/{job_id}/executions")["Items"][0]["RunOutput"])
    assert said(server, f"{job_id}/logs")[0] == {"value": {"Type": 1, "Line": "tick\n"}}


def test_each_version_has_its_own_log(server: Running):
    for text in ("first\n", "second\n"):
        job_id = server.submit(wasm_job("print", text, "", name="twice"), **LATE)
        server.wait_for(job_id, "Completed")
    assert [frame["value"]["Line"] for frame in said(server, f"{job_id}/logs?job_version=1")] == ["first\n"]
    assert [frame["value"]["Line"] for frame in said(server, f"{job_id}/logs")] == ["second\n"]


def test_name_of_another_site_in_host_is_refused_before_the_upgrade(server: Running, finished: str):
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "x" * 22 + "==",
    }
    answer = server("GET", f"{API}/jobs/{finished}/logs", Host="elsewhere.example", **upgrade)
    assert (answer.status, answer.document["Code"]) == (403, "Forbidden")


def plain(server: Running, path: str, **headers: str) -> Answer:
    return server("GET", f"{API}/jobs/{path}", **headers)


def test_frames_are_also_sent_without_a_websocket(server: Running, finished: str):
    asked = plain(server, f"{finished}/logs?format=ndjson")
    assert asked.headers["Content-Type"] == "application/x-ndjson"
    frames = [json.loads(line)["value"] for line in asked.body.splitlines()]
    assert [(frame["Type"], frame["Line"]) for frame in frames] == [(1, "one\ntwö\n"), (2, "to stderr")]
    execution = server.get(f"/jobs/{finished}/executions")["Items"][0]["ID"]
    assert {frame["ExecutionID"] for frame in frames} == {execution}
    assert plain(server, f"{finished}/logs", Accept="application/x-ndjson").body == asked.body
    assert plain(server, f"{finished}/logs?format=xml").status == 400


def test_generated_clients_get_one_json_string(server: Running, finished: str):
    answer = plain(server, f"{finished}/logs?execution_id=&tail=False&follow=True", User_Agent="Swagger-Codegen//python")
    assert sorted(answer.document.splitlines()) == ["one", "to stderr", "two".replace("o", "ö")]
    assert answer.headers["Content-Type"] == "application/json"


def test_follower_that_takes_nothing_holds_up_nobody(server: Running):
    """
    1. One follower asks for a log that grows by more than fits between it and the server, and reads nothing.
    2. Another one sees the log grow, and the job ends when it is told to.
    """
    job_id = server.submit(wasm_job("much", "30000000"))
    place = urlsplit(server.url)
    with socket.create_connection((place.hostname, place.port), timeout=60) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(f"GET {API}/jobs/{job_id}/logs?follow=true HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        with listening(server, f"{job_id}/logs?follow=true") as client:
            seen = sum(len(frame["value"]["Line"]) for frame in frames_of(client))
        assert server.state(job_id) == "Completed"
        assert seen >= 30_000_000
        assert deaf.recv(12) == b"HTTP/1.1 200"


def test_upgrade_to_something_else_is_an_ordinary_request(server: Running, finished: str):
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    connection.request("GET", f"{API}/jobs/{finished}/logs", headers={"Connection": "Upgrade", "Upgrade": "h2c"})
    assert connection.getresponse().read().startswith(b"one\n")
    connection.close()
