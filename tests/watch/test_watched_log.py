"""The log of a server tells what happened, once, and nothing that is secret or forged."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading

import pytest
from watched_server import JOBS, SECONDS, WatchedServer, eventually, wasm_job

from gadus.watch.lines import formatter
from gadus.watch.stderr import Aside

SECRET = "s3cr3t-value"


def test_each_request_is_one_line_without_what_may_be_secret(server: WatchedServer):
    headers = {"X_Request_Id": "mine-1", "Authorization": f"Bearer {SECRET}"}
    server("GET", f"{JOBS}?labels=a%3D{SECRET}", **headers)
    line = server.noted("request", request_id="mine-1")
    assert (line["method"], line["route"], line["status"], line["level"]) == ("GET", JOBS, 200, "info")
    assert line["ms"] > 0
    assert line["bytes"] > 10
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert SECRET not in server.log.read_text()


def test_life_of_a_job_is_told_state_by_state(server: WatchedServer):
    job_id = server.run(wasm_job("exit", "3", name="told"), X_Request_Id="mine-2")
    submitted = server.noted("job submitted", job=job_id)
    assert (submitted["name"], submitted["type"], submitted["request_id"]) == ("told", "batch", "mine-2")
    server.noted("job running", job=job_id)
    ended = server.noted("execution ended", job=job_id)
    assert (ended["exit_code"], ended["level"]) == (3, "info")
    assert ended["execution"].startswith("e-")
    assert server.noted("job completed", job=job_id)["seconds"] >= ended["seconds"] > 0


def test_name_of_a_job_cannot_forge_a_line_and_is_cut(server: WatchedServer):
    forged = '\n{"event": "forged"}\r\x1b[31m\u2028' + "x" * 5000
    status, _, _ = server("GET", f"{JOBS}/{'%0A%7B%22event%22%3A%22forged%22%7D'}", X_Request_Id="mine-3")
    assert status == 404
    assert server.noted("request", request_id="mine-3")["job"] == '\n{"event":"forged"}'
    server("PUT", JOBS, {"Job": wasm_job("print", name=forged)}, X_Request_Id="mine-4")
    server.noted("request", request_id="mine-4")
    assert not [line for line in server.lines() if line["event"] == "forged"]
    assert max(map(len, server.log.read_text().splitlines())) < 10_000


def served(home, *words: str, stderr: int, **environment: str) -> tuple[subprocess.Popen[bytes], str]:
    command = [sys.executable, "-m", "gadus", "--data-dir", str(home / "data"), "serve", "--port", "0", "--json", *words]
    process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=stderr)
    assert process.stdout is not None
    url = re.search(rb"http://[0-9.:]+", process.stdout.readline())
    assert url is not None
    return process, url[0].decode()


def test_server_goes_on_when_nobody_reads_its_log(tmp_path):
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    process, url = served(tmp_path, "--log-mode", "json", stderr=writing)
    os.close(writing)
    server = WatchedServer(url, process, tmp_path)
    assert [server("GET", f"/nowhere/{number}")[0] for number in range(100)] == [404] * 100
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 0
    os.close(reading)


def test_log_that_nobody_reads_waits_bounded_and_says_how_much_was_left_out():
    """1. The pipe is full, then the queue. 2. Who logs is not kept. 3. Who reads at last is told how much is missing."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    log = Aside(writing, lines_waiting=10)
    log.setFormatter(formatter("json"))
    for number in range(1000):
        log.handle(logging.LogRecord("gadus", logging.INFO, "", 0, "line %d", (number,), None))
    assert log.dropped > 0
    with os.fdopen(reading, encoding="utf-8") as pipe:
        threading.Thread(target=lambda: (log.end(), os.close(writing))).start()
        told = [json.loads(line)["event"] for line in pipe]
    left_out = [line for line in told if "left out" in line]
    assert len(told) - len(left_out) + sum(int(line.split()[0]) for line in left_out) == 1000


def test_server_goes_on_when_its_errors_are_closed(tmp_path):
    reading, writing = os.pipe()
    process, url = served(tmp_path, stderr=writing)
    os.close(writing)
    os.close(reading)
    server = WatchedServer(url, process, tmp_path)
    assert [server("GET", "/livez")[0] for _ in range(20)] == [200] * 20
    server("GET", "/nowhere")
    eventually(lambda: server.figures()["gadus_log_lines_dropped_total",] > 0)
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 0


def test_level_and_form_are_chosen_by_settings(tmp_path):
    process, url = served(tmp_path, stderr=subprocess.PIPE, LOG_LEVEL="warning")
    WatchedServer(url, process, tmp_path)("GET", "/nowhere")
    process.send_signal(signal.SIGTERM)
    assert b"request" not in process.communicate(timeout=SECONDS)[1]
    process, url = served(tmp_path, stderr=subprocess.PIPE, GADUS_LOG_LEVEL="info", LOG_LEVEL="error")
    WatchedServer(url, process, tmp_path)("GET", f"{JOBS}/a%0Ab", X_Request_Id="mine")
    process.send_signal(signal.SIGTERM)
    lines = process.communicate(timeout=SECONDS)[1].decode().splitlines()
    (line,) = [line for line in lines if "request method=GET" in line]
    assert line.split()[1] == "info"
    assert "job=a\\x0ab" in line


@pytest.mark.parametrize("mode", ["json", "default"])
def test_library_that_logs_wrongly_does_not_end_by_it(mode: str):
    reading, writing = os.pipe()
    log = Aside(writing)
    log.setFormatter(formatter(mode))
    log.handle(logging.LogRecord("some.library", logging.WARNING, "", 0, "%d things of %s", ("five", "many"), None))
    log.end()
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert b"%d things of %s" in pipe.read()
