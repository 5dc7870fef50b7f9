"""A run on a server is a run: the same output, the same exit code; and what a network adds to it."""

from __future__ import annotations

import base64
import contextlib
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from command import PROBE, SECONDS, Cli
from served import Ask, Server, ask, server, serving  # noqa: F401 - fixtures

from ports import held_port

WASM = ("wasm", "run")
NOISE = bytes(range(256)) * 1024 + b"\r\n\0\xff"


def job(*arguments: str, kind: str = "batch", name: str = "", inputs: Any = ()) -> bytes:
    params = {"EntryModule": {"Source": inline(PROBE.read_bytes())}, "Parameters": list(arguments)}
    task = {"Name": "main", "Engine": {"Type": "wasm", "Params": params}, "InputSources": list(inputs)}
    # A test that fails leaves it running: not for ever.
    task["Timeouts"] = {"ExecutionTimeout": 60} if kind == "batch" else {}
    return yaml.safe_dump({"Type": kind, "Name": name, "Tasks": [task]}).encode()


def inline(data: bytes) -> dict[str, Any]:
    return {"Type": "inline", "Params": {"URL": f"data:application/octet-stream;base64,{base64.b64encode(data).decode()}"}}


@pytest.mark.parametrize("words", [["print", "to stdout", "to stderr\n"], ["trap"]], ids=lambda words: words[0])
def test_output_and_exit_code_are_those_of_a_run_here(ask: Ask, words: list[str]) -> None:  # noqa: F811
    here, there = (ask(*WASM, "--quiet", str(PROBE), *words, **host) for host in ({"host": "none"}, {}))
    assert (there.code, there.out, there.err) == (here.code, here.out, here.err)
    assert here.out or here.code


def test_output_that_is_no_text_arrives_byte_for_byte(ask: Ask) -> None:  # noqa: F811
    text = job("read", "/in", inputs=[{"Source": inline(NOISE), "Target": "/in"}])
    done = ask("job", "run", "--quiet", stdin=text)
    assert (done.code, done.out, done.err) == (0, NOISE, "")


def test_lines_of_several_executions_carry_their_index(ask: Ask) -> None:  # noqa: F811
    done = ask(*WASM, "--count", "3", "--node-details", str(PROBE), "print", "line", "")
    first, *_, last = done.err.splitlines()
    assert done.code == 0
    assert re.fullmatch(r"Job j-[0-9a-f-]{36}", first)
    assert sorted(done.out.splitlines()) == [b"[0] line", b"[1] line", b"[2] line"]
    assert re.search(r"^Done in .*: 3 executions; preparing .* s, running .* s; exit codes 0, 0, 0$", done.err, re.MULTILINE)
    assert last == "• 3 runs on 1 node: line"


def test_document_of_the_end_is_that_of_a_run_here(ask: Ask) -> None:  # noqa: F811
    words = ("--json", str(PROBE), "print", "out", "err")
    here, there = (ask(*WASM, *words, **host).document for host in ({"host": "none"}, {}))
    for told in (here, there):
        (execution,) = told["executions"]
        assert told.pop("job_id").startswith("j-")
        assert execution.pop("id").startswith("e-")
        assert execution.pop("phases").keys() == {"staging_seconds", "preparing_seconds", "running_seconds"}
        execution.pop("receipt")
    assert there == here
    assert there["executions"][0]["stdout"] == "out"


def test_mistake_is_told_by_the_server_as_here(ask: Ask) -> None:  # noqa: F811
    done = ask("docker", "run", "--workdir", "here", "busybox")
    assert done.code == 2
    assert "WorkingDirectory" in done.err
    assert "absolute" in done.err


def test_id_only_and_no_wait_print_the_id(ask: Ask) -> None:  # noqa: F811
    waited = ask(*WASM, "--id-only", str(PROBE), "exit", "4")
    assert (waited.code, waited.err) == (4, "")
    left = ask(*WASM, "--wait=false", str(PROBE), "exit", "4")
    assert left.code == 0
    for done in (waited, left):
        assert re.fullmatch(rb"j-[0-9a-f-]{36}\n", done.out)


def test_wait_timeout_stops_the_job_there(ask: Ask) -> None:  # noqa: F811
    done = ask(*WASM, "--wait-timeout-secs", "1", str(PROBE), "forever")
    assert done.code == 1
    assert "was stopped: not done after --wait-timeout-secs 1" in done.err


def test_batch_jobs_of_one_name_are_jobs_of_their_own(ask: Ask) -> None:  # noqa: F811
    first, second = (ask("job", "run", "--id-only", stdin=job("return", name="twice")).out for _ in range(2))
    assert first != second


def test_service_is_followed_until_it_runs_and_updated_by_its_name(ask: Ask) -> None:  # noqa: F811
    text = job("forever", kind="service", name="serves")
    begun = ask("job", "run", stdin=text)
    job_id = begun.err.split()[1]
    assert begun.code == 0
    assert f"Job {job_id} is running." in begun.err
    assert f"gadus job stop {job_id}" in begun.err
    unchanged = ask("job", "run", stdin=text)
    assert unchanged.code == 2
    assert "no changes detected" in unchanged.err
    assert "--force" in unchanged.err
    changed = job("print", "new", "", kind="service", name="serves")
    difference = ask("job", "run", "--dry-run", stdin=changed).out.decode()
    assert re.search(r"^-.*forever$", difference, re.MULTILINE)
    assert re.search(r"^\+.*print$", difference, re.MULTILINE)
    assert ask("job", "run", "--force", "--id-only", "--wait=false", stdin=text).out.decode().strip() == job_id
    assert ask("job", "stop", job_id).code == 0


def test_dry_run_prints_a_job_that_can_be_run(ask: Ask) -> None:  # noqa: F811
    here, there = (ask(*WASM, "--dry-run", str(PROBE), "print", "again", "", **host) for host in ({"host": "none"}, {}))
    assert there.out == here.out
    assert ask("job", "run", "-q", "--no-template", stdin=there.out).out == b"again"


def test_interrupt_leaves_the_job_running_and_says_how_to_go_on(server: Server, ask: Ask) -> None:  # noqa: F811
    process = server.there.start(*WASM, str(PROBE), "forever")
    first = read_line(process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=SECONDS)
    job_id = err.decode().split()[1]
    assert (first, process.returncode) == (b"running\n", 130)
    assert "Printout canceled (the job is still running)." in err.decode()
    assert f"gadus job describe {job_id}" in err.decode()
    assert ask("job", "stop", job_id).code == 0


def test_server_that_is_away_for_a_while_is_asked_again(tmp_path: Path) -> None:
    """The output comes anew from its beginning; what was shown is not shown twice."""
    with held_port() as port, serving(tmp_path, port=str(port)) as first:
        process = first.there.start(*WASM, str(PROBE), "forever")
        assert read_line(process) == b"running\n"
        first.end(signal.SIGKILL)
        with serving(tmp_path, port=str(port)) as second:
            (job_id,) = {one["ID"] for one in second.there("job", "list", "--json").document}
            assert second.there("job", "stop", job_id).code == 0
            out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out) == (1, b"")
    assert err.decode().count("does not answer") == 1
    assert "was stopped" in err.decode()


def test_server_that_is_gone_leaves_the_id_of_the_job(tmp_path: Path) -> None:
    with held_port() as port, serving(tmp_path, port=str(port)) as only:
        only.there.environment["GADUS_API_TIMEOUT"] = "1s"
        process = only.there.start(*WASM, str(PROBE), "forever")
        assert read_line(process) == b"running\n"
        (job_id,) = {one["ID"] for one in only.there("job", "list", "--json").document}
        only.end(signal.SIGKILL)
        _, err = process.communicate(timeout=SECONDS)
        assert process.returncode == 75
        assert f"gadus job describe {job_id}" in err.decode()
        with serving(tmp_path) as again:
            assert again.there("job", "stop", job_id).code == 0


def test_lost_answer_to_a_submission_gives_one_job(server: Server, ask: Ask) -> None:  # noqa: F811
    """
    1 the server accepts the job; 2 its answer is lost; 3 the same request comes again; 4 the job is the one of before.

    Two answers are lost: once the HTTP client itself sends a request again.
    """
    before = len(ask("job", "list", "--limit", "0", "--json").document)
    with losing_answers(int(server.port)) as port:
        cli = Cli(
            server.there.data_dir, server.there.directory, server.there.environment | {"GADUS_API_HOST": f"127.0.0.1:{port}"}
        )
        done = cli(*WASM, "--quiet", str(PROBE), "print", "once", "")
    assert (done.code, done.out) == (0, b"once")
    assert len(ask("job", "list", "--limit", "0", "--json").document) == before + 1


@contextlib.contextmanager
def losing_answers(port: int) -> Iterator[int]:
    """A way to a port on which the answers to the first two requests are lost after they were given."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        lost: list[bytes] = []

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=pass_on, args=(client,), daemon=True).start()

        def pass_on(client: socket.socket) -> None:
            with client, socket.create_connection(("127.0.0.1", port)) as upstream, contextlib.suppress(OSError):
                threading.Thread(target=copy, args=(client, upstream), daemon=True).start()
                while data := upstream.recv(65536):
                    if len(lost) < 2:
                        lost.append(data)
                        client.shutdown(socket.SHUT_RDWR)
                        return
                    client.sendall(data)

        def copy(source: socket.socket, target: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        assert len(lost) == 2


def read_line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def test_command_that_asks_a_server_loads_no_engine_and_no_store(server: Server) -> None:  # noqa: F811
    code = "import sys; from gadus.cli.main import main\ntry: main(sys.argv[1:])\nfinally: print(*sys.modules)"
    words = [*WASM, "-q", "--wait=false", str(PROBE), "return"]
    run = subprocess.run(
        [sys.executable, "-c", code, *words], env=server.there.environment, capture_output=True, timeout=SECONDS, check=True
    )
    loaded = run.stdout.decode().split()
    assert "gadus.client.remote" in loaded
    heavy = ("gadus.wiring", "gadus.engines", "gadus.s3", "gadus.orchestrator", "gadus.web", "wasmtime", "aiodocker", "rich")
    assert set(heavy).isdisjoint(loaded)
