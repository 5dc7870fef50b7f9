"""Every question of the command line goes to the API: of a server if one is named, else to the same routes in this process."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TypeVar

import click

from gadus.client import Api
from gadus.client.opening import local_api, remote_api
from gadus.config import ClientSettings

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
    client = client_of(ctx)
    if client.endpoint:
        return server_api(client)
    settings = settings_of(ctx)
    return local_api(settings, partial(start_apart, settings))


def server_api(client: ClientSettings) -> AbstractAsyncContextManager[Api]:
    """The API of the server that `client` names."""
    return remote_api(
        client.endpoint,
        authorization=_authorization(client),
        cacert=client.cacert,
        insecure=client.insecure,
        silent_seconds=client.timeout_seconds,
    )


def _authorization(client: ClientSettings) -> str:
    if client.token:
        return f"Bearer {client.token}"
    if client.user:
        return "Basic " + base64.b64encode(f"{client.user}:{client.password}".encode()).decode()
    return ""
