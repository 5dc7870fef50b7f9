"""The routes of this process, asked without a socket."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gadus.client import Api
from gadus.client.inside import Inside
from gadus.core.errors import Conflict, Unavailable

HEAD: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}
PIECES = 1000


class Endless:
    """An application that sends pieces as long as somebody takes them."""

    def __init__(self) -> None:
        self.sent = 0
        self.ended = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await send(HEAD)
            while self.sent < PIECES:
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
                self.sent += 1
            await send({"type": "http.response.body"})
        finally:
            self.ended.set()


async def test_body_is_written_no_further_than_a_little_ahead_of_its_reader():
    app = Endless()
    async with Inside(app).send("GET", "/", {}, b"") as answer:
        assert await anext(answer.body) == b"x"
        await asyncio.sleep(0)
        assert app.sent < 100
        rest = [piece async for piece in answer.body]
    assert len(rest) == PIECES - 1


async def test_reader_that_goes_away_ends_the_application():
    app = Endless()
    async with Inside(app).send("GET", "/", {}, b"") as answer:
        await anext(answer.body)
        assert not app.ended.is_set()
    assert app.ended.is_set()


async def test_cancelled_question_ends_the_application_before_it_is_over():
    begun, ended = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    asking = asyncio.create_task(Api(Inside(app)).ask("GET", "/x"))
    await begun.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert ended.is_set()


async def test_application_hears_that_its_reader_is_gone():
    heard: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        heard.append((await receive())["type"])
        await send(HEAD)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            heard.append((await receive())["type"])
            raise

    async with Inside(app).send("PUT", "/", {}, b"{}"):
        pass
    assert heard == ["http.request", "http.disconnect"]


async def test_what_breaks_in_the_middle_of_a_body_is_raised_where_the_body_is_read():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(HEAD)
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        raise PermissionError("not readable")

    async with Inside(app).send("GET", "/", {}, b"") as answer:
        assert await anext(answer.body) == b"first"
        with pytest.raises(PermissionError, match="not readable"):
            await anext(answer.body)


async def test_defect_is_raised_itself_and_not_the_answer_about_it():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(HEAD | {"status": 500})
        await send({"type": "http.response.body", "body": b"{}"})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Api(Inside(app)).ask("GET", "/x")


async def test_refusal_is_the_error_that_it_tells():
    body = b'{"Message": "it runs", "Hint": "wait", "Code": "ResourceInUse"}'

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(HEAD | {"status": 409})
        await send({"type": "http.response.body", "body": body})

    with pytest.raises(Conflict) as told:
        await Api(Inside(app)).ask("PUT", "/x", body={})
    assert (told.value.message, told.value.hint) == ("it runs", "wait")


async def test_lines_are_documents_however_they_are_cut():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(HEAD)
        for piece in (b'{"a"', b': 1}\n{"a": 2}\n\n{"a', b'": 3}'):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})

    async with Api(Inside(app)).lines("/x") as lines:
        assert [line["a"] async for line in lines] == [1, 2, 3]


async def test_line_that_is_no_document_is_not_taken_for_one():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(HEAD)
        await send({"type": "http.response.body", "body": b"<html>\n"})

    with pytest.raises(Unavailable, match="not JSON"):
        async with Api(Inside(app)).lines("/x") as lines:
            await anext(lines)
