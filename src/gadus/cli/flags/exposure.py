"""Flags of who can reach a server: at which address, under which names, with which certificate, and who is let in."""

from __future__ import annotations

import functools
import ipaddress
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from gadus.access.file import AccessFile
from gadus.access.gate import Gate
from gadus.cli.lazy import UsageMistake
from gadus.config import Settings

_FILE = click.Path(path_type=Path, dir_okay=False)
_OPTIONS = (
    click.option("--auth", is_flag=True, help="Answer only to who has a token or a password, also on this machine."),
    click.option("--tlscert", type=_FILE, help="Serve HTTPS with this certificate (PEM, with its chain)."),
    click.option("--tlskey", type=_FILE, help="The private key of --tlscert (PEM, without a pass phrase)."),
    click.option("--self-signed", is_flag=True, help="Serve HTTPS with a certificate made here, kept and renewed."),
    click.option("--autocert", hidden=True, help="Not offered: see --self-signed and --tlscert."),
    click.option("--allowed-host", multiple=True, metavar="NAME", help="A name under which clients reach this server."),
    click.option("--insecure-http", is_flag=True, help="Without TLS on other interfaces: tokens can be read on the way."),
    click.option("--insecure-open", is_flag=True, help="Whoever reaches it may do everything: no token, no password."),
)


@dataclass(frozen=True, slots=True)
class Exposure:
    """How a server is reached. `certificate` gives what it shows, renewed if need be; None for plain HTTP."""

    address: str
    gate: Gate | None
    hosts: frozenset[str]
    certificate: Callable[[], Any] | None
    words: str


def exposure_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options, as one decorator; the command gets them as the keyword `exposed`."""

    @functools.wraps(command)
    def with_one(*args: Any, **options: Any) -> Any:
        names = ("auth", "tlscert", "tlskey", "self_signed", "autocert", "allowed_host", "insecure_http", "insecure_open")
        exposed = {name: options.pop(name) for name in names}
        return command(*args, exposed=exposed, **options)

    return functools.reduce(lambda inner, option: option(inner), reversed(_OPTIONS), with_one)


def exposure_of(ctx: click.Context, settings: Settings, host: str, flags: Mapping[str, Any]) -> Exposure:
    """What these flags mean, if it is safe: another interface than this machine's own needs access control and TLS."""
    address, file = _address(ctx, host), AccessFile.of(settings.data_dir)
    alone = ipaddress.ip_address(address).is_loopback
    for message, hint in _contradictions(flags) if alone else (*_contradictions(flags), *_exposed(host, flags, file)):
        raise UsageMistake(message, hint=hint, ctx=ctx)
    names = frozenset(name.lower().rstrip(".") for name in flags["allowed_host"])
    names |= frozenset() if alone else {socket.gethostname().lower()}
    gate = None if flags["insecure_open"] else Gate(file, closed=flags["auth"] or not alone)
    return Exposure(address, gate, names, _certificate(settings, address, names, flags), _words(gate, file, alone=alone))


def _contradictions(flags: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    secure = flags["self_signed"] or flags["tlscert"] or flags["tlskey"]
    if flags["autocert"] is not None:
        yield (
            "--autocert: Gadus asks no authority for certificates",
            "let a client of your authority keep one, and give it with --tlscert and --tlskey; or use --self-signed",
        )
    if bool(flags["tlscert"]) != bool(flags["tlskey"]):
        yield "--tlscert and --tlskey: one is of no use without the other", "give both, or use --self-signed"
    if flags["self_signed"] and flags["tlscert"]:
        yield "--self-signed and --tlscert: there can be one certificate only", "leave one of them out"
    if flags["insecure_http"] and secure:
        yield "--insecure-http: says the opposite of the certificate", "leave one of them out"
    if flags["insecure_open"] and flags["auth"]:
        yield "--insecure-open and --auth: say opposite things", "leave one of them out"


def _exposed(host: str, flags: Mapping[str, Any], file: AccessFile) -> Iterator[tuple[str, str]]:
    if not flags["insecure_open"] and not file.read().anybody:
        yield (
            f"--host {host}: other machines could reach the server, and nobody was granted access to it yet",
            "make a token first: gadus auth token create NAME; or let everybody do everything with --insecure-open",
        )
    if not (flags["self_signed"] or flags["tlscert"] or flags["insecure_http"]):
        yield (
            f"--host {host}: other machines could reach the server, and tokens would travel in clear text",
            "use --self-signed, or --tlscert and --tlskey; or do without TLS with --insecure-http",
        )


def _certificate(settings: Settings, address: str, names: frozenset[str], flags: Mapping[str, Any]) -> Callable[[], Any] | None:
    if not (flags["self_signed"] or flags["tlscert"]):
        return None
    # Certificates take a tenth of a second to import: not for plain HTTP.
    from gadus.access.certificate import Certificate, self_signed  # noqa: PLC0415

    if flags["tlscert"]:
        return functools.partial(Certificate, flags["tlscert"], flags["tlskey"])
    covered = {"localhost", "127.0.0.1", "::1", *names, *_addresses(address)}
    return functools.partial(self_signed, settings.data_dir / "tls", frozenset(covered))


def _addresses(address: str) -> set[str]:
    """Under which addresses a server is reached that listens at this one, as far as this machine knows."""
    if not ipaddress.ip_address(address).is_unspecified:
        return {address}
    found: set[str] = set()
    with suppress(OSError):
        found = {str(one[4][0]).partition("%")[0] for one in socket.getaddrinfo(socket.gethostname(), None)}
    return found


def _words(gate: Gate | None, file: AccessFile, *, alone: bool) -> str:
    if gate is None and not alone:
        return "WARNING: whoever reaches this address may run programs here and read all jobs: --insecure-open"
    if gate is not None and gate.closed:
        return f"It answers those who are granted access in {file.path}"
    return "Every user of this machine may use it; the first `gadus auth token create` changes that"


def _address(ctx: click.Context, host: str) -> str:
    name = "127.0.0.1" if host == "localhost" else host.strip("[]")
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        raise UsageMistake(
            f"--host {host}: is not an address",
            hint="use 127.0.0.1 for this machine alone, 0.0.0.0 for every interface, or the address of one",
            ctx=ctx,
        ) from None
