"""Runs a job on a server, and follows it there to its end."""

from __future__ import annotations

from functools import partial

import click

from gadus.client import Api
from gadus.client.opening import remote_api
from gadus.config import ClientSettings
from gadus.core.spec import JobSpec

from .followed import follow_begun
from .manner import Manner
from .run import write_spec
from .shape import Begun, Shape
from .submitting import difference, submit


def run_afar(client: ClientSettings, spec: JobSpec, manner: Manner) -> int:
    """The exit code of a job that the server runs; everything else goes to the two streams."""

    async def begin(api: Api) -> Begun | None:
        if manner.dry_run:
            await _show(api, spec, manner)
            return None
        job_id, warnings = await submit(api, spec, force=manner.force)
        return Begun(job_id, Shape.of_spec(spec), warnings=warnings)

    return follow_begun(partial(remote_api, client), begin, manner, seconds=client.timeout_seconds)


async def _show(api: Api, spec: JobSpec, manner: Manner) -> None:
    """What would be sent, or what it would change."""
    changes = None if manner.as_json else await difference(api, spec)
    if changes is None:
        write_spec(spec, as_json=manner.as_json)
    else:
        click.echo(changes, nl=not changes.endswith("\n"))
