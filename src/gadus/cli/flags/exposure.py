"""Flags of who can reach a server: at which address, under which names, with which certificate, and who is let in."""

from __future__ import annotations

import functools
import ipaddress
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from gadus.access.file import AccessFile
from gadus.access.gate import Gate
from gadus.cli.lazy import UsageMistake
from gadus.config import Said, Settings

if TYPE_CHECKING:
    from gadus.access.certificate import Certificate

_OPTIONS = (
    click.option("--auth", is_flag=True, help="Answer only to who has a token or a password, also on this machine."),
    click.option("--tlscert", metavar="FILE", help="Serve HTTPS with this certificate (PEM, with its chain)."),
    click.option("--tlskey", metavar="FILE", help="The private key of --tlscert (PEM, without a pass phrase)."),
    click.option("--self-signed", is_flag=True, help="Serve HTTPS with a certificate made here, kept and renewed."),
    click.option("--autocert", hidden=True),
    click.option("--allowed-host", multiple=True, metavar="NAME", help="A name by which clients reach it; repeatable."),
    click.option("--insecure-http", is_flag=True, help="Without TLS on other interfaces: tokens can be read on the way."),
    click.option("--insecure-open", is_flag=True, help="Whoever reaches it may do everything: no token, no password."),
)
_SETTINGS = {"tlscert": "API.TLS.CertFile", "tlskey": "API.TLS.KeyFile"}
_SWITCHES = {"auth": "API.Auth.Required", "self_signed": "API.TLS.SelfSigned"}


@dataclass(frozen=True, slots=True)
class Exposure:
    """
    How a server is reached.

    `gate` is None when everybody may do everything. `certificate` gives what it shows, renewed if need be; None for plain HTTP.
    """

    address: str
    gate: Gate | None
    hosts: frozenset[str]
    certificate: Callable[[], Certificate] | None

    def words(self) -> Iterator[str]:
        """What a person should know of it."""
        if self.gate is None:
            yield "WARNING: whoever reaches this address may run programs here and read all jobs (--insecure-open)."
        elif self.gate.closed:
            yield "It answers only those who are granted access: see `gadus auth info`."
        else:
            yield "Every user of this machine may use it; the first `gadus auth token create` changes that."
        if self.certificate is not None:
            yield f"The SHA-256 of its certificate is {self.certificate().fingerprint}"
        elif not _is_alone(self.address):
            yield "WARNING: what it is told and says can be read on the way (--insecure-http)."


def with_exposure_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """`command` with the flags that `said_of_exposure` and `exposure_of` read."""
    return functools.reduce(lambda inner, option: option(inner), reversed(_OPTIONS), command)


def said_of_exposure(flags: Mapping[str, Any]) -> dict[str, Said]:
    """The settings that the flags are. To be insecure is none: it is asked for each time."""
    said = {key: Said(flags[name], f"--{name}", "flag") for name, key in _SETTINGS.items() if flags[name]}
    said |= {key: Said("true", f"--{name.replace('_', '-')}", "flag") for name, key in _SWITCHES.items() if flags[name]}
    if flags["allowed_host"]:
        said["API.AllowedHosts"] = Said(",".join(flags["allowed_host"]), "--allowed-host", "flag")
    return said


def exposure_of(ctx: click.Context, settings: Settings, flags: Mapping[str, Any]) -> Exposure:
    """
    What the settings and flags mean, if it is safe: another interface than this machine's own needs access control and TLS.

    Raises UsageMistake, InvalidSpec for a certificate that cannot be used.
    """
    address, file = _address(ctx, settings.host), AccessFile.of(settings.data_dir)
    alone = _is_alone(address)
    for message, hint in (*_contradictions(settings, flags), *(() if alone else _exposed(settings, flags, file))):
        raise UsageMistake(message, hint=hint, ctx=ctx)
    names = frozenset(name.lower().rstrip(".") for name in settings.allowed_hosts)
    names |= frozenset() if alone else {socket.gethostname().lower()}
    gate = None if flags["insecure_open"] else Gate(file, closed=settings.auth_required or not alone)
    return Exposure(address, gate, names, _certificate(settings, address, names))


def _contradictions(settings: Settings, flags: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if flags["autocert"] is not None:
        yield (
            "--autocert: Gadus asks no authority for certificates",
            "let a client of your authority keep one, and give it with --tlscert and --tlskey; or use --self-signed",
        )
    if bool(settings.tls_cert) != bool(settings.tls_key):
        yield "--tlscert and --tlskey: one is of no use without the other", "give both, or use --self-signed"
    if settings.self_signed and settings.tls_cert:
        yield "--self-signed and --tlscert: there can be one certificate only", "leave one of them out"
    if flags["insecure_http"] and (settings.self_signed or settings.tls_cert):
        yield "--insecure-http: says the opposite of the certificate", "leave one of them out"
    if flags["insecure_open"] and settings.auth_required:
        yield "--insecure-open and --auth: say opposite things", "leave one of them out"


def _exposed(settings: Settings, flags: Mapping[str, Any], file: AccessFile) -> Iterator[tuple[str, str]]:
    if not flags["insecure_open"] and not file.read().anybody:
        yield (
            f"--host {settings.host}: other machines could reach the server, and nobody was granted access to it yet",
            "make a token first: gadus auth token create NAME; or let everybody do everything with --insecure-open",
        )
    if not (settings.self_signed or settings.tls_cert or flags["insecure_http"]):
        yield (
            f"--host {settings.host}: other machines could reach the server, and tokens would travel in clear text",
            "use --self-signed, or --tlscert and --tlskey; or do without TLS with --insecure-http",
        )


def _certificate(settings: Settings, address: str, names: frozenset[str]) -> Callable[[], Certificate] | None:
    if not (settings.self_signed or settings.tls_cert):
        return None
    # It takes a tenth of a second to import: not for plain HTTP.
    from gadus.access.certificate import given, self_signed  # noqa: PLC0415

    if settings.tls_cert:
        found = functools.partial(given, settings.tls_cert, settings.tls_key)
        found().context()
        return found
    covered = {"localhost", "127.0.0.1", "::1", *names, *_addresses(address)}
    return functools.partial(self_signed, settings.own_certificate, frozenset(covered))


def _addresses(address: str) -> set[str]:
    """Under which addresses a server is reached that listens at this one, as far as this machine knows."""
    if not ipaddress.ip_address(address).is_unspecified:
        return {address}
    found: set[str] = set()
    with suppress(OSError):
        found = {str(one[4][0]).partition("%")[0] for one in socket.getaddrinfo(socket.gethostname(), None)}
    return found


def _is_alone(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


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
