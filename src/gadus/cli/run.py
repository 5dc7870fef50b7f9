"""Runs the job of a command: on the server that is named, else in this process."""

from __future__ import annotations

import click

from gadus.config import Settings
from gadus.core.spec import JobSpec

from .lazy import client_of, settings_of
from .manner import Manner
from .show.ending import as_line


def run_job(ctx: click.Context, spec: JobSpec, manner: Manner) -> int:
    """The exit code of `gadus … run`; everything else goes to the two streams."""
    # Each way by itself: who asks a server needs no engines, and who runs a job needs no client.
    client = client_of(ctx)
    if manner.plan:
        from .planning import plan_here, plan_there  # noqa: PLC0415

        return plan_there(client, spec, manner) if client.endpoint else plan_here(settings_of(ctx), spec, manner)
    if client.endpoint:
        from .afar import run_afar  # noqa: PLC0415

        return run_afar(client, spec, manner)
    if manner.dry_run:
        return _write_checked(spec, manner, settings_of(ctx))
    from .follow import run_here  # noqa: PLC0415

    return run_here(spec, manner, settings_of(ctx))


def write_spec(spec: JobSpec, *, as_json: bool) -> None:
    """The job as a file that can be run."""
    wire = spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    if as_json:
        click.echo(as_line(wire))
        return
    import yaml  # noqa: PLC0415 - only here

    click.echo(yaml.safe_dump(wire, sort_keys=False, allow_unicode=True), nl=False)


def _write_checked(spec: JobSpec, manner: Manner, settings: Settings) -> int:
    from gadus.wiring import open_service  # noqa: PLC0415

    with open_service(settings) as service:
        write_spec(service.check(spec), as_json=manner.as_json)
    return 0
