"""What a node has and allows holds for every job of a real server, and who waits is told why."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import impatient
import pytest
from running import API, Running, eventually, serving, wasm_job

from gadus.backends.hardware import cores, memory_bytes

ENDED = ("Completed", "Failed", "Stopped")
WAITS_LONG = {"QueueTimeout": 3600, "ExecutionTimeout": 60}
INPUT = {"Source": {"Type": "inline", "Params": {"URL": "data:,hello"}}, "Target": "/in"}


@contextmanager
def node(home: Path, program: tuple[str, ...] = ("-m", "gadus"), **settings: str) -> Iterator[Running]:
    """A server whose node is by these settings; at the end everything on it is stopped."""
    environment = {**os.environ, "HOME": str(home), **{f"GADUS_{name}": value for name, value in settings.items()}}
    with serving(home / "data", environment, program=program) as server:
        yield server
        for job in server.get("/jobs?limit=1000")["Items"]:
            if job["State"]["StateType"] not in ENDED:
                server("DELETE", f"{API}/jobs/{job['ID']}")
        eventually(lambda: server("GET", "/healthz").document["Running"] == 0)


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One core, of which a job may have three quarters; a label; no network; one engine, source and publisher."""
    with node(
        tmp_path_factory.mktemp("strict"),
        CAPACITY_CPU="1",
        JOB_MAX_CPU="75%",
        JOB_MAX_MEMORY="1GiB",
        LABELS="zone=a",
        REJECT_NETWORKED="true",
        REJECT_STATELESS="yes",
        ENGINES="wasm",
        SOURCES="inline",
        PUBLISHERS="local",
    ) as server:
        yield server


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One core, and nothing else that is special."""
    with node(tmp_path_factory.mktemp("small"), CAPACITY_CPU="1") as server:
        yield server


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Running]:
    """The same, and who waits is patient for a few seconds only."""
    with node(tmp_path, program=(str(Path(impatient.__file__)),), CAPACITY_CPU="1") as server:
        yield server


def job_state(server: Running, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = server.get(f"/jobs/{job_id}")["Job"]["State"]
    return found


def why(server: Running, job_id: str) -> str:
    return str(server.get(f"/jobs/{job_id}/why")["Why"])


def name_of(server: Running) -> str:
    return str(server.get("/nodes")["Nodes"][0]["Info"]["NodeID"])


def stopped(server: Running, *job_ids: str) -> None:
    for job_id in job_ids:
        assert server("DELETE", f"{API}/jobs/{job_id}").status == 200
        server.wait_for(job_id, "Stopped")


def with_cores(amount: str, *arguments: str, **fields: Any) -> dict[str, Any]:
    return wasm_job(*arguments, task={"Resources": {"CPU": amount}, **fields.pop("task", {})}, **fields)


def placed_at(server: Running, job_id: str) -> int:
    """When the only execution of the job was placed."""
    (execution,) = server.get(f"/jobs/{job_id}/executions")["Items"]
    return int(execution["CreateTime"])


def holding(server: Running, amount: str) -> str:
    """A job that keeps so many cores until it is stopped."""
    job_id = server.submit(with_cores(amount, "forever"))
    server.wait_for(job_id, "Running")
    return job_id


def test_node_has_the_shares_and_amounts_that_are_set(tmp_path: Path):
    with node(tmp_path, CAPACITY_CPU="50%", CAPACITY_MEMORY="1GiB", JOB_MAX_MEMORY="25%", LABELS="zone=a,disk=ssd") as server:
        (told,) = server.get("/nodes")["Nodes"]
    compute = told["Info"]["ComputeNodeInfo"]
    has, for_one = compute["MaxCapacity"], compute["MaxJobRequirements"]
    assert (has["CPU"], has["Memory"]) == (cores() / 2, min(2**30, memory_bytes()))
    assert (for_one["CPU"], for_one["Memory"]) == (has["CPU"], has["Memory"] // 4)
    assert {"zone": "a", "disk": "ssd"}.items() <= told["Info"]["Labels"].items()


NEVER = {
    "constraint": (
        {"Constraints": [{"Key": "zone", "Operator": "in", "Values": ["b", "c"]}]},
        "constraint zone in b c is not met: the label is 'a'",
    ),
    "more cores than one job may have": (
        {"task": {"Resources": {"CPU": "0.8"}}},
        "job requires more CPU (0.8) than the maximum available (0.75)",
    ),
    "more memory than one job may have": (
        {"task": {"Resources": {"Memory": "2GiB"}}},
        "job requires more Memory (2.0 GiB) than the maximum available (1.0 GiB)",
    ),
    "more devices than there are": (
        {"task": {"Resources": {"GPU": "9"}}},
        "job requires more GPU (9) than the maximum available (",
    ),
    "network": (
        {"task": {"Network": {"Type": "Full"}, "Engine": {"Type": "docker", "Params": {"Image": "ubuntu"}}}},
        "does not run jobs that require network access",
    ),
    "no inputs": ({"task": {"InputSources": []}}, "does not run jobs without inputs"),
    "engine": (
        {"task": {"Engine": {"Type": "docker", "Params": {"Image": "ubuntu"}}}},
        "does not support docker, only wasm",
    ),
    "source": (
        {"task": {"InputSources": [{"Source": {"Type": "s3", "Params": {"Bucket": "bucket"}}, "Target": "/in"}]}},
        "does not support s3, only inline",
    ),
}


@pytest.mark.parametrize("asks", NEVER)
def test_job_that_asks_for_what_no_node_gives_fails_with_the_reason(strict: Running, asks: str):
    fields, reason = NEVER[asks]
    task = {"InputSources": [INPUT], **fields.get("task", {})}
    job_id = strict.submit(wasm_job("return", **{**fields, "task": task}))
    strict.wait_for(job_id, *ENDED)
    state = job_state(strict, job_id)
    assert state["StateType"] == "Failed"
    assert state["Message"].startswith("not enough nodes to run job. requested: 1, available: 1, suitable: 0.\n")
    assert f"• Node {name_of(strict)}: " in state["Message"]
    assert reason in state["Message"]


@pytest.mark.parametrize("asks", NEVER)
def test_job_that_has_time_to_wait_is_told_the_reason_while_it_waits(strict: Running, asks: str):
    fields, reason = NEVER[asks]
    task = {"InputSources": [INPUT], **fields.get("task", {}), "Timeouts": WAITS_LONG}
    job_id = strict.submit(wasm_job("return", **{**fields, "task": task}))
    eventually(lambda: reason in job_state(strict, job_id).get("Message", ""))
    assert strict.state(job_id) == "Queued"
    assert reason in why(strict, job_id)
    stopped(strict, job_id)
    assert why(strict, job_id) == ""


def test_every_reason_is_told_at_once(strict: Running):
    engine = {"Type": "docker", "Params": {"Image": "ubuntu"}}
    task = {"Engine": engine, "Network": {"Type": "Full"}, "Resources": {"CPU": "4"}}
    constraint = {"Key": "zone", "Operator": "!", "Values": []}
    job_id = strict.submit(wasm_job(task=task, Constraints=[constraint]))
    strict.wait_for(job_id, *ENDED)
    (line,) = job_state(strict, job_id)["Message"].splitlines()[1:]
    reasons = (
        "constraint zone ! is not met: the label is 'a'",
        "does not support docker, only wasm",
        "does not run jobs that require network access",
        "does not run jobs without inputs",
        "job requires more CPU (4) than the maximum available (0.75)",
    )
    assert line.split(": ", 1) == [f"• Node {name_of(strict)}", "; ".join(reasons)]


def test_job_that_asks_for_what_the_node_gives_runs_there(strict: Running):
    constraints = [
        {"Key": "zone", "Operator": "=", "Values": ["a"]},
        {"Key": "favour_zone", "Operator": "=", "Values": ["elsewhere"]},
    ]
    resources = {"CPU": "0.75", "Memory": "1GiB"}
    job = wasm_job("return", Constraints=constraints, task={"InputSources": [INPUT], "Resources": resources})
    job_id = strict.submit(job)
    strict.wait_for(job_id, *ENDED)
    assert job_state(strict, job_id) == {"StateType": "Completed"}


def test_who_waits_too_long_is_told_what_every_node_was_busy_with(small: Running):
    blocking = holding(small, "0.75")
    job_id = small.submit(with_cores("0.5", "return", task={"Timeouts": {"QueueTimeout": 1}}))
    busy = f"• Node {name_of(small)}: node busy: needs CPU 0.5, free 0.25"
    assert busy in why(small, job_id)
    small.wait_for(job_id, *ENDED)
    assert job_state(small, job_id) == {
        "StateType": "Failed",
        "Message": "Job timed out. It waited in the queue longer than 1 s: "
        f"not enough nodes to run job. requested: 1, available: 1, suitable: 0.\n{busy}",
    }
    assert small.state(blocking) == "Running"
    stopped(small, blocking)


def test_job_that_says_nothing_is_taken_to_need_the_default(small: Running):
    jobs = [holding(small, "") for _ in range(2)]
    third = small.submit(wasm_job("forever"))
    assert "node busy: needs CPU 0.5, free 0" in why(small, third)
    stopped(small, *jobs, third)


def test_higher_priority_goes_first(small: Running):
    blocking = holding(small, "1")
    by_priority = {priority: small.submit(with_cores("1", "return", Priority=priority)) for priority in (0, 10, 5)}
    stopped(small, blocking)
    for job_id in by_priority.values():
        small.wait_for(job_id, "Completed")
    assert sorted(by_priority, key=lambda priority: placed_at(small, by_priority[priority])) == [10, 5, 0]


def test_large_job_is_not_starved_by_small_ones(hasty: Running):
    """
    1. Half of the node is held; a job that needs all of it waits.
    2. Small ones that come later pass it, again and again, as long as it is patient.
    3. After that they wait behind it, though half of the node is free; they are told so.
    4. The half that was held is given back: the large one runs, and then the small ones.
    """
    blocking = holding(hasty, "0.5")
    large = hasty.submit(with_cores("1", "return"))
    impatient_at = time.time() + impatient.PATIENCE_SECONDS + 1
    passed: list[str] = []
    while True:
        is_late = time.time() > impatient_at
        late = hasty.submit(with_cores("0.5", "return"))
        if is_late:
            break
        eventually(lambda job=late: hasty.state(job) == "Completed" or time.time() > impatient_at)
        passed.append(late)
    eventually(lambda: "others come first" in why(hasty, late))
    assert [hasty.get(f"/jobs/{job_id}/executions")["Items"] for job_id in (large, late)] == [[], []]
    stopped(hasty, blocking)
    for job_id in (large, late):
        hasty.wait_for(job_id, "Completed")
    assert placed_at(hasty, passed[0]) < placed_at(hasty, large) < placed_at(hasty, late)


def refused_by(server: Running, reason: str, *, count: int = 2, **task: Any) -> None:
    """Jobs of several executions are refused with the reason: one that cannot wait, and one that can."""
    short = server.submit(wasm_job("return", Count=count, task=task))
    server.wait_for(short, *ENDED)
    state = job_state(server, short)
    assert state["StateType"] == "Failed"
    assert state["Message"].splitlines()[1:] == [f"• Node {name_of(server)}: {reason}"]
    assert server.get(f"/jobs/{short}/executions")["Items"] == []
    patient = server.submit(wasm_job("return", Count=count, task={**task, "Timeouts": WAITS_LONG}))
    eventually(lambda: reason in job_state(server, patient).get("Message", ""))
    assert server.state(patient) == "Queued"
    assert f"• Node {name_of(server)}: {reason}" in why(server, patient)
    stopped(server, patient)
    assert server("GET", "/healthz").status == 200


def test_command_of_the_operator_takes_and_refuses_jobs(tmp_path: Path):
    probe = tmp_path / "probe.sh"
    probe.write_text('if grep -q \'"Name":"wanted"\'; then exit 0; fi\necho "only wanted ones" >&2\nexit 3\n')
    with node(tmp_path, PROBE_EXEC=f"sh {probe}") as server:
        refused_by(server, "only wanted ones")
        job_id = server.submit(wasm_job("return", name="wanted", Count=2))
        server.wait_for(job_id, *ENDED)
        assert server.state(job_id) == "Completed"


@contextmanager
def answering(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a web service that is there while the block lasts."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as service:
        thread = threading.Thread(target=service.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{service.server_port}/"
        finally:
            service.shutdown()
            thread.join()


class Service(BaseHTTPRequestHandler):
    """Accepts jobs by the name of "wanted", and has a file at every path."""

    asked: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        job = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(job)
        self.send_response(202 if job["Name"] == "wanted" else 403)
        self.end_headers()
        self.wfile.write(b"only wanted ones")

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("ETag", '"the-same"')
        self.send_header("Content-Length", "4")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(b"data")

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


def test_service_of_the_operator_takes_and_refuses_jobs(tmp_path: Path):
    with answering(Service) as url, node(tmp_path, PROBE_HTTP=url) as server:
        refused_by(server, "the probe service answered 403: only wanted ones")
        Service.asked.clear()
        job_id = server.submit(wasm_job("return", name="wanted", Count=5))
        server.wait_for(job_id, *ENDED)
        assert server.state(job_id) == "Completed"
        assert [job["Count"] for job in Service.asked] == [5]


def test_node_that_wants_data_on_it_refuses_jobs_whose_data_is_elsewhere(tmp_path: Path):
    def reads(url: str) -> dict[str, Any]:
        return {"Source": {"Type": "urlDownload", "Params": {"URL": url}}, "Target": "/in"}

    with answering(Service) as url:
        for locality, inputs in (
            ("anywhere", [reads(f"{url}here")]),
            ("local", [reads(f"{url}here"), {**INPUT, "Target": "/in2"}]),
            ("local", []),
        ):
            with node(tmp_path, LOCALITY=locality) as server:
                job_id = server.submit(wasm_job("return", task={"InputSources": inputs}))
                server.wait_for(job_id, *ENDED)
                assert job_state(server, job_id) == {"StateType": "Completed"}
        with node(tmp_path, LOCALITY="local") as server:
            not_here = "this node runs only jobs whose inputs are on it already"
            refused_by(server, not_here, InputSources=[reads(f"{url}here"), {**reads(f"{url}elsewhere"), "Target": "/in2"}])
