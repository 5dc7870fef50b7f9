"""``gadus profile show`` and ``gadus profile list``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from gadus.cli.lazy import Command
from gadus.cli.show.tables import Format, write_csv, write_document, write_table
from gadus.config import Profile, Profiles
from gadus.core.errors import NotFound

_HEADERS = ("current", "name", "endpoint", "auth")


@click.command(cls=Command)
@click.option(
    "--output", "style", type=click.Choice(["table", "csv", "json", "yaml"]), default="table", help="Form of the list."
)
@click.option("--pretty", is_flag=True, help="JSON on several lines.")
@click.option("--hide-header", is_flag=True, help="No first line with the names of the columns.")
@click.option("--no-style", is_flag=True, help="No bold letters.")
def list_profiles(*, style: Format, pretty: bool, hide_header: bool, no_style: bool, as_json: bool) -> None:
    """List the profiles; the one that commands use has a star."""
    profiles = Profiles.of()
    current = profiles.current
    found = [profiles.get(name) for name in profiles.names()]
    rows = [("*" if one.name == current else "", one.name, one.endpoint, _auth(one)) for one in found]
    match "json" if as_json else style:
        case "json":
            write_document([record(one, current=current) for one in found], "json", pretty=pretty)
        case "yaml":
            write_document([record(one, current=current) for one in found], "yaml")
        case "csv":
            write_csv(_HEADERS, rows, hide_header=hide_header)
        case _:
            write_table(_HEADERS, rows, hide_header=hide_header, styled=not no_style)


@click.command(cls=Command)
@click.argument("name", default="")
@click.option("--show-token", is_flag=True, help="Also the token, for everybody who sees this.")
def show_profile(*, name: str, show_token: bool, as_json: bool) -> None:
    """Show a profile: NAME, else the one that commands use."""
    profiles = Profiles.of()
    name = name or profiles.current
    if not name:
        raise NotFound("no profile is selected", hint="name one, or `gadus profile select NAME`")
    profile = profiles.get(name)
    shown = record(profile, current=profiles.current)
    if profile.token:
        shown["Token"] = profile.token.reveal() if show_token else repr(profile.token)
    write_document(shown, "json" if as_json else "yaml")


def record(profile: Profile, *, current: str) -> dict[str, Any]:
    """A profile as a document, without its token."""
    kept = asdict(profile)
    return {
        "Current": profile.name == current,
        "Name": kept["name"],
        "Endpoint": kept["endpoint"],
        "Auth": _auth(profile),
        "Description": kept["description"],
        "TimeoutSeconds": kept["timeout_seconds"],
        "Insecure": kept["insecure"],
        "CACert": kept["cacert"],
    }


def _auth(profile: Profile) -> str:
    return "token" if profile.token else "none"
