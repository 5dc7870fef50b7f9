"""Who is asked: the server that is named, or this process."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gadus.config import ClientSettings, Settings

from .api import Api


@asynccontextmanager
async def local_api(settings: Settings, begin: Callable[[str], None]) -> AsyncIterator[Api]:
    """The routes over this data directory, in this process. `begin` leaves a process behind that runs a job."""
    # Only here: who asks a server needs none of it.
    from gadus.orchestrator.alone import Alone  # noqa: PLC0415
    from gadus.web.answering import Rooms  # noqa: PLC0415
    from gadus.web.app import application  # noqa: PLC0415
    from gadus.wiring import open_service, params_model  # noqa: PLC0415

    from .inside import Inside  # noqa: PLC0415

    with open_service(settings) as service:
        rooms = Rooms(Alone(service, begin), service, settings, params_model)
        yield Api(Inside(application(rooms)))


@asynccontextmanager
async def remote_api(asked: ClientSettings) -> AsyncIterator[Api]:
    """The routes of a server, see `Remote`."""
    from .remote import Remote  # noqa: PLC0415 - as above

    async with Remote(
        asked.endpoint,
        origin=asked.origin,
        authorization=_authorization(asked),
        cacert=asked.cacert,
        insecure=asked.insecure,
        silent_seconds=asked.timeout_seconds,
    ) as transport:
        yield Api(transport)


def _authorization(asked: ClientSettings) -> str:
    if asked.token:
        return f"Bearer {asked.token.reveal()}"
    if asked.user:
        return "Basic " + b64encode(f"{asked.user}:{asked.password.reveal()}".encode()).decode()
    return ""
