"""A node takes a job only when its policy, its command and its service do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gadus.backends import selection
from gadus.backends.selection import Answers, refusal
from gadus.config import Policy
from gadus.core.capacity import Amounts
from gadus.core.placement import Needs

JOB = json.dumps({"Name": "j", "Type": "batch"}).encode()
NEEDS = Needs(Amounts(1), "docker", ("s3",), stateless=False)
STATELESS = Needs(Amounts(1), "docker")

Serve = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]


async def refused(policy: Policy, *, needs: Needs = NEEDS, local_inputs: bool = False, job: bytes = JOB) -> str:
    return await refusal(policy, job, needs, local_inputs)


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    servers = []

    async def served(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> str:
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", answer)
        servers.append(server := TestServer(app))
        await server.start_server()
        return str(server.make_url("/probe"))

    yield served
    for server in servers:
        await server.close()


async def test_a_node_without_a_policy_takes_every_job() -> None:
    assert await refused(Policy()) == ""


async def test_a_node_that_wants_data_on_it_refuses_jobs_whose_data_is_elsewhere() -> None:
    policy = Policy(local_data_only=True)
    assert await refused(policy) == "this node runs only jobs whose inputs are on it already"
    assert await refused(policy, local_inputs=True) == ""
    assert await refused(policy, needs=STATELESS) == ""


async def test_a_command_gets_the_job_and_accepts_with_zero(tmp_path: Path) -> None:
    assert await refused(Policy(probe_command=f"cat > {tmp_path}/seen; exit 0")) == ""
    assert (tmp_path / "seen").read_bytes() == JOB


async def test_a_command_refuses_with_the_first_line_of_its_errors() -> None:
    assert await refused(Policy(probe_command="echo no; echo 'too late' >&2; echo more >&2; exit 3")) == "too late"
    assert await refused(Policy(probe_command="exit 3")) == "the probe command exited with 3"
    assert await refused(Policy(probe_command="kill -9 $$")) == "the probe command exited with -9"
    assert "not found" in await refused(Policy(probe_command="/there/is/none"))


async def test_a_command_that_reads_nothing_of_a_large_job_is_heard() -> None:
    assert await refused(Policy(probe_command="exec <&-; true"), job=b"x" * 1_000_000) == ""


async def test_a_command_with_much_to_say_is_cut_short() -> None:
    reason = await refused(
        Policy(probe_command="printf '\\033[31m'; (printf '\\033'; head -c 1000000 /dev/zero | tr '\\0' x) >&2; false")
    )
    assert 0 < len(reason) < 200
    assert reason.isprintable()


async def test_a_command_that_does_not_answer_has_refused_and_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "PROBE_SECONDS", 2.0)
    pids = tmp_path / "pids"
    command = f"sleep 300 & echo $$ $! > {pids}; wait"
    assert await refused(Policy(probe_command=command)) == "the probe command did not answer within 2 s"
    await _all_gone(pids)


async def test_what_a_command_starts_does_not_outlive_it(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    assert await refused(Policy(probe_command=f"sleep 300 & echo $! > {pids}")) == ""
    await _all_gone(pids)


async def test_a_question_that_is_given_up_leaves_no_process(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    asking = asyncio.create_task(
        refused(Policy(probe_command=f"sleep 300 & echo $$ $! > {pids}.new; mv {pids}.new {pids}; wait"))
    )
    while not pids.exists():  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await _all_gone(pids)


async def test_a_service_gets_the_job_and_accepts_with_any_success(serve: Serve) -> None:
    seen = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.method, request.content_type, await request.read()))
        return web.Response(status=202)

    assert await refused(Policy(probe_url=await serve(answer))) == ""
    assert seen == [("POST", "application/json", JOB)]


@pytest.mark.parametrize(
    ("status", "text", "reason"),
    [
        (403, "not on Sundays\nreally", "the probe service answered 403: not on Sundays"),
        (500, "", "the probe service answered 500"),
        (307, "", "the probe service answered 307"),
    ],
)
async def test_a_service_refuses_with_any_other_answer(serve: Serve, status: int, text: str, reason: str) -> None:
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=status, text=text, headers={"Location": "/elsewhere"})

    assert await refused(Policy(probe_url=await serve(answer))) == reason
    assert asked == ["/probe"], "it is asked once, and nobody else is"


async def test_a_service_that_does_not_answer_has_refused(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "PROBE_SECONDS", 1.0)
    released = asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        await released.wait()
        return web.Response()

    assert await refused(Policy(probe_url=await serve(answer))) == "the probe service did not answer within 1 s"
    released.set()


async def test_a_service_that_is_not_there_has_refused_and_its_password_is_not_told(serve: Serve) -> None:
    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    url = (await serve(answer)).replace("//", "//user:secret@")
    reason = await refused(Policy(probe_url=url))
    assert reason.startswith("the probe service could not be asked (")
    assert "secret" not in reason


async def test_the_command_is_asked_before_the_service(serve: Serve) -> None:
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response()

    url = await serve(answer)
    assert await refused(Policy(probe_command="false", probe_url=url)) == "the probe command exited with 1"
    assert asked == []
    assert await refused(Policy(probe_command="true", probe_url=url)) == ""
    assert asked == ["/probe"]


async def _all_gone(pids: Path) -> None:
    """Returns when none of the processes lives; the time limit of the test ends it otherwise."""
    for pid in pids.read_text().split():
        while _lives(pid):  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(0.01)


def _lives(pid: str) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


class Asking:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self) -> str:
        self.times += 1
        await asyncio.sleep(0)
        return f"answer {self.times}"


async def test_the_executions_of_a_job_are_asked_about_once() -> None:
    answers, asking, of_another = Answers(), Asking(), Asking()
    said = await asyncio.gather(*(answers.of("j-1", asking) for _ in range(100)), answers.of("j-2", of_another))
    assert (set(said), asking.times, of_another.times) == ({"answer 1"}, 1, 1)


async def test_an_answer_does_not_hold_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "ANSWER_HOLDS_SECONDS", 0.0)
    answers, asking = Answers(), Asking()
    assert [await answers.of("j-1", asking) for _ in range(2)] == ["answer 1", "answer 2"]


async def test_answers_about_jobs_of_the_past_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "ANSWER_HOLDS_SECONDS", 0.0)
    answers, asking = Answers(), Asking()
    for number in range(3000):
        await answers.of(number, asking)
    assert len(answers._answers) <= 1001
