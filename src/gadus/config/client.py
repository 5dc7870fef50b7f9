"""Where a command finds the server that it asks, and as whom it asks: by flag, environment or profile."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from gadus.core.errors import InvalidSpec
from gadus.core.problem import clipped
from gadus.core.secret import NOTHING, Secret

from .addresses import of_host, of_kubernetes, port_of, web_endpoint
from .profiles import Profile, Profiles
from .values import duration, proof, truth

Value = TypeVar("Value")

HERE = "none"
"""As a host: no server at all, the command does the work itself."""
DEFAULT_TIMEOUT_SECONDS = 30.0
FLAGS = {
    "host": "--api-host",
    "port": "--api-port",
    "tls": "--tls",
    "cacert": "--cacert",
    "insecure": "--insecure",
    "profile": "--profile",
}
"""The names by which flags are given to `client_settings`, and the flags."""
VARIABLES: dict[str, tuple[str, ...]] = {
    "host": ("GADUS_API_HOST", "BACALHAU_API_HOST", "BACALHAU_NODE_CLIENTAPI_HOST"),
    "port": ("GADUS_API_PORT", "BACALHAU_API_PORT", "BACALHAU_NODE_CLIENTAPI_PORT"),
    "tls": ("GADUS_API_TLS", "BACALHAU_API_TLS", "BACALHAU_API_TLS_USETLS"),
    "cacert": ("GADUS_API_CACERT", "BACALHAU_API_CACERT", "BACALHAU_API_TLS_CAFILE"),
    "insecure": ("GADUS_API_INSECURE", "BACALHAU_API_INSECURE", "BACALHAU_API_TLS_INSECURE"),
    "timeout": ("GADUS_API_TIMEOUT",),
    "token": ("GADUS_API_TOKEN", "BACALHAU_API_KEY", "BACALHAU_API_TOKEN"),
    "user": ("GADUS_API_USERNAME", "BACALHAU_API_USERNAME"),
    "password": ("GADUS_API_PASSWORD", "BACALHAU_API_PASSWORD"),
    "profile": ("GADUS_PROFILE", "BACALHAU_PROFILE"),
}
"""The variables of each setting of a client; the first that is set and not empty counts."""
_FLAG, _VARIABLE = 2, 1


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """
    The server that commands ask.

    `endpoint` is its address without a final slash, empty when the command does the work itself. `token` goes before `user`
    with `password`. `cacert` is a file with the certificates to trust. `origin` says who named the endpoint.
    """

    endpoint: str = ""
    token: Secret = NOTHING
    user: str = ""
    password: Secret = NOTHING
    cacert: str = ""
    insecure: bool = False
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    origin: str = "default"


def client_settings(environment: Mapping[str, str] | None = None, flags: Mapping[str, str] | None = None) -> ClientSettings:
    """
    The server by flag, then environment, then profile; none when nothing names one.

    `flags` are the texts of those that were given, by the names in `FLAGS`. Within the same rank an address goes before a
    profile; then nothing of the profile counts, and its token goes nowhere else. Raises InvalidSpec with everything that is
    wrong, NotFound for a profile that is not there.
    """
    environment = os.environ if environment is None else environment
    said = _Said(environment, flags or {})
    profile = _profile(said, environment)
    endpoint, origin = _endpoint(said, profile)
    own = profile or Profile()
    settings = ClientSettings(
        endpoint=endpoint,
        token=said("token", proof, own.token),
        user=said("user", str, ""),
        password=said("password", Secret, NOTHING),
        cacert=said("cacert", str, own.cacert),
        insecure=said("insecure", truth, own.insecure),
        timeout_seconds=said("timeout", duration, own.timeout_seconds) or DEFAULT_TIMEOUT_SECONDS,
        origin=origin,
    )
    said.end()
    return settings


class _Said:
    """What flags and environment say of a client, and all that is wrong with it."""

    def __init__(self, environment: Mapping[str, str], flags: Mapping[str, str]) -> None:
        self._environment = environment
        self._flags = flags
        self.problems: list[str] = []

    def find(self, name: str) -> tuple[str, str, int]:
        """The text, who said it, and its rank: that of a flag, of a variable, or 0 for nobody."""
        if self._flags.get(name):
            return self._flags[name], FLAGS[name], _FLAG
        for variable in VARIABLES.get(name, ()):
            text = self._environment.get(variable, "").strip()
            if text and not of_kubernetes(text):
                return text, variable, _VARIABLE
        return "", "", 0

    def __call__(self, name: str, parse: Callable[[str], Value], default: Value) -> Value:
        text, origin, _ = self.find(name)
        if not text:
            return default
        try:
            return parse(text)
        except ValueError as error:
            self.problems.append(f"{origin}: {error}")
            return default

    def end(self) -> None:
        """Raise InvalidSpec with all that was wrong."""
        if self.problems:
            raise InvalidSpec(self.problems)


def _profile(said: _Said, environment: Mapping[str, str]) -> Profile | None:
    """The profile that counts, unless an address of higher rank makes it needless."""
    name, origin, rank = said.find("profile")
    addressed = max(said.find("host")[2], said.find("port")[2])
    if addressed and addressed >= rank:
        return None
    profiles = Profiles.of(environment)
    if name:
        return profiles.get(name, asked_by=origin)
    current = profiles.current
    return profiles.get(current, asked_by="the selected profile") if current else None


def _endpoint(said: _Said, profile: Profile | None) -> tuple[str, str]:
    """The address, and who named it."""
    if profile is not None:
        return profile.endpoint, profile.origin
    host, host_by, host_rank = said.find("host")
    port, port_by, port_rank = said.find("port")
    _, tls_by, tls_rank = said.find("tls")
    origin = host_by or port_by or tls_by
    if host.lower() == HERE:
        return "", origin
    if not (host or port) and tls_rank < _FLAG:
        return "", "default"
    if "://" in host and host_rank == port_rank == _FLAG:
        said.problems.append(f"--api-port: {clipped(host)!r} is a whole address: write the port there")
    try:
        if "://" in host:
            return web_endpoint(host), origin
        return of_host(host or "127.0.0.1", said("port", port_of, 0), tls=said("tls", truth, False)), origin
    except ValueError as error:
        said.problems.append(f"{origin}: {error}")
        return "", origin


def known_variables() -> set[str]:
    """Every variable that a client reads."""
    return {name for names in VARIABLES.values() for name in names}
