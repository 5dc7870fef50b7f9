"""Every question of the command line goes to the API: of a server if one is named, else to the same routes in this process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TypeVar

import click

from gadus.client import Api
from gadus.client.opening import local_api, remote_api

from .apart import start_apart
from .interrupts import run_interruptible
from .lazy import client_of, settings_of

Result = TypeVar("Result")


def asking(ctx: click.Context, work: Callable[[Api], Awaitable[Result]]) -> Result:
    """What `work` gives, which gets the API that this command speaks to. Ctrl-C cancels it."""

    async def asked() -> Result:
        async with api_of(ctx) as api:
            return await work(api)

    return run_interruptible(asked())


def api_of(ctx: click.Context) -> AbstractAsyncContextManager[Api]:
    """The API that this command speaks to."""
    asked = client_of(ctx)
    if asked.endpoint:
        return remote_api(asked)
    settings = settings_of(ctx)
    return local_api(settings, partial(start_apart, settings))
