"""What to say when no answer comes from a service, or only a part of one."""

from __future__ import annotations

import os
import socket
import ssl

from gadus.core.errors import GadusError, InputUnreadable, StorageUnavailable

from .location import Location
from .response import Broken, TooLarge
from .wire import Origin, ProxyRefused

_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST")
_CHECK_NETWORK = "check Endpoint and the network"


def unreachable(location: Location, origin: Origin, cause: Exception) -> GadusError:
    """The error to raise for `cause`: StorageUnavailable where another try may help, else InputUnreadable."""
    endpoint = location.endpoint
    if isinstance(cause, ssl.SSLError):
        return _untrusted(endpoint, cause)
    if isinstance(cause, ProxyRefused):
        return _refused_by_proxy(endpoint, origin, cause)
    if isinstance(cause, TooLarge):
        return InputUnreadable(f"{endpoint} answers too much: {cause}", hint="check Endpoint, and what Key names")
    if isinstance(cause, Broken):
        hint = "write https:// in Endpoint" if "TLS" in str(cause) else "try again later"
        return StorageUnavailable(f"{endpoint} breaks off: {cause}", hint=hint)
    through, hint = "", "check that the service runs and that Endpoint names its host and port"
    if origin.proxy:
        through = f" through the proxy {_proxy_of(origin)}"
        hint = "check HTTP_PROXY and HTTPS_PROXY; NO_PROXY names hosts to reach without"
    if isinstance(cause, socket.gaierror):
        whose = f"the proxy {_proxy_of(origin)}" if origin.proxy else endpoint
        return StorageUnavailable(f"{whose} has no address: {cause.strerror}", hint=hint if origin.proxy else _CHECK_NETWORK)
    if isinstance(cause, TimeoutError):
        return StorageUnavailable(f"{endpoint} does not answer{through}", hint=hint if origin.proxy else _CHECK_NETWORK)
    number = cause.errno if isinstance(cause, OSError) else None
    return StorageUnavailable(f"{endpoint} cannot be reached{through}: {os.strerror(number) if number else cause}", hint=hint)


def _untrusted(endpoint: str, cause: ssl.SSLError) -> GadusError:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return InputUnreadable(
            f"{endpoint} cannot be trusted (TLS): {cause.verify_message}",
            hint="use the host name the certificate is for, or name your own authority with AWS_CA_BUNDLE",
        )
    if cause.reason in _NOT_TLS:
        return InputUnreadable(
            f"{endpoint} does not speak TLS", hint="write http:// in Endpoint, or the port where the service speaks TLS"
        )
    return StorageUnavailable(f"{endpoint} ends the TLS handshake: {cause.reason or cause}", hint="try again later")


def _refused_by_proxy(endpoint: str, origin: Origin, cause: ProxyRefused) -> GadusError:
    message = f"the proxy {_proxy_of(origin)} does not let through to {endpoint}: it answers {cause.status}"
    if cause.status == 407:
        return InputUnreadable(message, hint="it wants a name and password: HTTPS_PROXY=http://name:password@host:port")
    if cause.status == 403:
        return InputUnreadable(message, hint="ask for leave to reach it, or name the host in NO_PROXY")
    return StorageUnavailable(message, hint="try again later, or name the host in NO_PROXY")


def _proxy_of(origin: Origin) -> str:
    host, port = origin.proxy or ("", 0)
    return f"{host}:{port}"
