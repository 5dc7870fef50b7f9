"""Whom to ask about a bucket: the service's host, or the proxy of the environment that stands before it."""

from __future__ import annotations

import base64
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from gadus.core.errors import InputUnreadable

from .location import Location
from .wire import Origin


def route(location: Location) -> tuple[Origin, str]:
    """
    Whom to ask about a bucket, and the path of its root, without a slash at its end.

    Obeys HTTP_PROXY, HTTPS_PROXY and NO_PROXY. Raises InputUnreadable for a proxy that is not one of HTTP.
    """
    parts = urlsplit(location.root)
    tls = parts.scheme == "https"
    host = parts.hostname or ""
    port = parts.port or (443 if tls else 80)
    proxy = None if proxy_bypass(host) else getproxies().get(parts.scheme)
    if not proxy:
        return Origin(host, port, tls), parts.path
    through = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    if through.scheme != "http" or not through.hostname:
        raise InputUnreadable(
            f"the proxy for {parts.scheme} is one of {through.scheme!r}, and only those of 'http' are known",
            hint=f"set {parts.scheme.upper()}_PROXY to http://host:port, or name {host} in NO_PROXY",
        )
    secret = f"{unquote(through.username)}:{unquote(through.password or '')}" if through.username else ""
    authorization = f"Basic {base64.b64encode(secret.encode()).decode()}" if secret else ""
    return Origin(host, port, tls, (through.hostname, through.port or 80), authorization), parts.path
