"""A client that asks too much is told to wait, and so are all when the server is full; who asks whether it lives is not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gadus.access.file import AccessFile
from gadus.access.gate import Gate
from gadus.access.granting import create_token
from gadus.web.guard import Guard
from gadus.web.rates import Rates


class Application:
    """Answers when it is let go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.entered = 0
        self.enters = asyncio.Semaphore(0)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.entered += 1
        self.enters.release()
        await self.go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def ask(guard: Guard, path: str = "/jobs", *, token: str = "", address: str = "10.0.0.1") -> tuple[int, dict[str, str]]:
    """The status and the headers of an answer."""
    sent: list[Any] = []
    headers = [(b"host", b"localhost")] + ([(b"authorization", f"Bearer {token}".encode())] if token else [])

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": headers, "client": (address, 1)}
    await guard(scope, None, send)  # type: ignore[arg-type]
    return sent[0]["status"], {name.decode(): text.decode() for name, text in sent[0]["headers"]}


async def test_a_caller_has_a_rate_of_their_own_wherever_they_ask_from(tmp_path) -> None:
    file = AccessFile.of(tmp_path)
    one, other = (create_token(file, name, ["*"], ["*"], None)[0].reveal() for name in ("one", "other"))
    application = Application()
    application.go.set()
    guard = Guard(application, [], Gate(file), (), Rates(per_second=1e-3, burst=3))
    for address in ("10.0.0.1", "10.0.0.2", "10.0.0.3"):
        assert (await ask(guard, token=one, address=address))[0] == 200
    status, headers = await ask(guard, token=one, address="10.0.0.4")
    assert (status, int(headers["retry-after"]) >= 1) == (429, True)
    assert (await ask(guard, token=other, address="10.0.0.4"))[0] == 200
    # Who says nothing counts by address.
    assert [(await ask(guard))[0] for _ in range(4)] == [401, 401, 401, 429]
    assert (await ask(guard, address="10.0.0.9"))[0] == 401
    assert application.entered == 4


@pytest.mark.parametrize("path", ["/livez", "/api/v1/livez", "/api/v1/orchestrator/jobs/j-1/logs"])
async def test_a_full_server_says_so_and_still_answers_whether_it_lives(path: str) -> None:
    application = Application()
    guard = Guard(application, [], None, (), Rates(at_once=2))
    async with asyncio.TaskGroup() as both:
        kept = [both.create_task(ask(guard)) for _ in range(2)]
        for _ in range(2):
            await application.enters.acquire()
        status, headers = await ask(guard)
        assert (status, headers["retry-after"], application.entered) == (503, "1", 2)
        alive = both.create_task(ask(guard, path))
        await application.enters.acquire()
        application.go.set()
    assert [(await task)[0] for task in (*kept, alive)] == [200] * 3
    assert (await ask(guard))[0] == 200
