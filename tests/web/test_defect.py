"""A defect of ours is told in the form of every error, without a look inside."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import aiohttp
from lives import plugin_params

from gadus.config import Settings
from gadus.web.answering import Rooms
from gadus.web.app import application
from gadus.web.serving import listening, served, url_of


async def test_defect_is_answered_in_the_form_of_every_error_and_written_down(tmp_path: Path, caplog):
    rooms = Rooms(cast("Any", None), cast("Any", None), Settings(data_dir=tmp_path), plugin_params)
    with listening("127.0.0.1", 0) as listener:
        async with served(application(rooms), listener, rooms.closing), aiohttp.ClientSession() as session, asyncio.timeout(30):
            async with session.get(f"{url_of(listener)}/api/v1/orchestrator/jobs") as answer:
                told, text = await answer.json(), await answer.text()
            async with session.get(f"{url_of(listener)}/livez") as after:
                assert after.status == 200
    assert (answer.status, told["Status"], told["Code"]) == (500, 500, "InternalError")
    assert answer.headers["X-Request-Id"] == told["RequestID"]
    assert "NoneType" not in text
    assert "NoneType" in caplog.text
