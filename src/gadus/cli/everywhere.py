"""The options that stand before or after any command: where state and settings are, and which server is asked."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import click

_KEPT = "gadus.everywhere"
_SERVER = ("api_host", "api_port", "tls", "cacert", "insecure", "profile")


def options(*, all_shown: bool, taken: Collection[str] = ()) -> list[click.Option]:
    """Fresh options, without the names in `taken`; all of them in the help, or only those that are often wanted."""
    every: list[tuple[list[str], dict[str, Any], bool]] = [
        (["--data-dir"], {"metavar": "DIR", "help": "Where Gadus keeps its state."}, True),
        (["--repo", "data_dir"], {"metavar": "DIR"}, False),
        (
            ["-c", "--config"],
            {"metavar": "FILE|KEY=VALUE", "multiple": True, "help": "Settings: a file, or one of them; repeatable."},
            True,
        ),
        (["--profile"], {"metavar": "NAME", "help": "Ask the server of this profile."}, all_shown),
        (["--api-host"], {"metavar": "HOST|URL", "help": "Ask the server at this host or address."}, all_shown),
        (["--api-port"], {"metavar": "PORT", "help": "The port of that server (else 1234)."}, all_shown),
        (["--tls/--no-tls"], {"default": None, "help": "Ask it by https."}, all_shown),
        (["--cacert"], {"metavar": "FILE", "help": "Trust the certificates in this file."}, all_shown),
        (["--insecure/--no-insecure"], {"default": None, "help": "Do not check its certificate."}, all_shown),
    ]
    made = []
    for names, attributes, shown in every:
        free = [name for name in names if not name.startswith("-") or not set(name.split("/")) & set(taken)]
        if any(name.startswith("--") for name in free):
            made.append(click.Option(free, expose_value=False, callback=_keep, hidden=not shown, **attributes))
    return made


def _keep(ctx: click.Context, option: click.Parameter, value: Any) -> None:
    """What stands after the command goes before what stands before it; of settings both count, in their order."""
    kept: dict[str, Any] = ctx.meta.setdefault(_KEPT, {})
    if isinstance(value, tuple):
        kept[option.name or ""] = (*kept.get(option.name or "", ()), *value)
    elif value is not None:
        kept[option.name or ""] = value


def data_dir(ctx: click.Context) -> str:
    """The text of ``--data-dir``; empty when it was not given."""
    return str(ctx.meta.get(_KEPT, {}).get("data_dir", ""))


def config_words(ctx: click.Context) -> tuple[str, ...]:
    """Every ``--config``, as it was written, from left to right."""
    return tuple(ctx.meta.get(_KEPT, {}).get("config", ()))


def client_flags(ctx: click.Context) -> dict[str, str]:
    """The flags that name a server, for `gadus.config.client_settings`."""
    kept = ctx.meta.get(_KEPT, {})
    return {name.removeprefix("api_"): _text(kept[name]) for name in _SERVER if name in kept}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
