"""Every route answers exactly those callers that have the scope it needs, whatever they ask about."""

from __future__ import annotations

import base64
import re
import socket
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from guarding import Guarded

from gadus.access.caller import Caller, caller
from gadus.web.answering import Rooms
from gadus.web.app import routes_of
from gadus.web.scoped import OPEN, AnyScoped, ScopedRoute

# Making the routes reads nothing of a server.
ROUTES = routes_of(cast("Rooms", None))
CALLERS: dict[str, Caller | None] = {
    "admin": caller("", ("*",), ("*",)),
    "a-reads": caller("", ("read:*",), ("a",)),
    "a-writes": caller("", ("read:job", "write:job"), ("a",)),
    "nodes": caller("", ("read:node",), ("*",)),
    "nothing": caller("", ("read:agent",), ("nowhere",)),
    "": None,
    "expired": None,
    "gadus_wrong": None,
    "gadus-session.key.eA==.9999999999.00": None,
}
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": base64.b64encode(b"sixteen bytes ok").decode(),
}


def path_of(route: AnyScoped) -> str:
    """One that names nothing there is."""
    return re.sub(r"\{[^}]*\}", "j-0000000f", route.path)


@pytest.mark.parametrize("route", ROUTES, ids=lambda one: f"{type(one).__name__}-{one.path}")
def test_a_route_answers_those_with_its_scope_and_nobody_else(guarded: Guarded, route: AnyScoped) -> None:
    seen, expected = {}, {}
    for method, scope in route.scopes.items():
        headers: dict[str, Any] = {} if isinstance(route, ScopedRoute) else UPGRADE
        for who, known in CALLERS.items():
            status = guarded(who, method, path_of(route), **headers).status
            seen[method, who] = status if status in (401, 403) else 0
            if scope == OPEN:
                expected[method, who] = 0
            else:
                expected[method, who] = 401 if known is None else 0 if known.may(scope) else 403
    assert seen == expected


def test_only_what_tells_nothing_of_jobs_and_machines_is_open() -> None:
    gone = "/requester/"
    names = {route.path.removeprefix("/api/v1") for route in ROUTES if OPEN in route.scopes.values() and gone not in route.path}
    lives, signs_in, itself = (
        {"/livez", "/readyz", "/agent/alive"},
        {"/auth", "/auth/info", "/auth/{method}", "/agent/authconfig"},
        {"/openapi.json"},
    )
    assert names == lives | signs_in | itself | {"/", "/version", "/agent/version"}


def test_who_says_nothing_learns_not_even_which_routes_there_are(guarded: Guarded) -> None:
    for path in ("/api/v1/orchestrator/jobs", "/api/v1/no-such-route", "/favicon.ico"):
        answer = guarded("", "GET", path)
        assert (answer.status, answer.document["Code"]) == (401, "Unauthorized"), path
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
        assert "GADUS_API_TOKEN" in answer.document["Hint"]


def test_nobody_waits_for_a_body_that_will_not_be_read(guarded: Guarded) -> None:
    """The answer comes although the body that is announced never does."""
    place = urlsplit(guarded.server.url)
    for token, status in (("gadus_wrong", b"401"), (guarded.tokens["nodes"], b"403")):
        with socket.create_connection((place.hostname, place.port), timeout=5) as connection:
            head = f"PUT /api/v1/orchestrator/jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
            connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n".encode())
            assert connection.recv(4096).split()[1] == status


def test_no_answer_sets_a_cookie_or_lets_pages_of_others_read_it(guarded: Guarded) -> None:
    for who in ("admin", ""):
        for method in ("GET", "OPTIONS"):
            answer = guarded(who, method, "/api/v1/agent/alive", Origin="http://localhost:1")
            names = {name.lower() for name in answer.headers}
            assert not {name for name in names if name.startswith("access-control-") or name == "set-cookie"}


def test_pages_of_other_sites_are_refused_unless_they_have_a_token(guarded: Guarded) -> None:
    own = guarded.server.url
    for origin in ("http://evil.example", "null", own.replace("http", "https") + "1", "http://localhost:1"):
        assert guarded("", "GET", "/api/v1/agent/alive", Origin=origin).status == 403
        assert guarded("", "GET", "/api/v1/orchestrator/jobs/x/logs", **UPGRADE, Origin=origin).status == 403
        assert guarded("admin", "GET", "/api/v1/agent/alive", Origin=origin).status == 200
    assert guarded("", "GET", "/api/v1/agent/alive", Origin=own).status == 200


def test_a_server_answers_under_no_name_it_was_not_told(guarded: Guarded) -> None:
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80"):
        assert guarded("admin", "GET", "/api/v1/agent/alive", Host=host).status == 403
        assert guarded("admin", "GET", "/api/v1/orchestrator/jobs/x/logs", **UPGRADE, Host=host).status == 403
    for host in ("localhost", "[::1]:1234", "10.0.0.1"):
        assert guarded("admin", "GET", "/api/v1/agent/alive", Host=host).status == 200


def test_a_request_for_two_hosts_is_refused_whichever_comes_first(guarded: Guarded) -> None:
    place = urlsplit(guarded.server.url)
    for first, second in (("localhost", "evil.example"), ("evil.example", "localhost"), ("localhost", "localhost")):
        with socket.create_connection((place.hostname, place.port), timeout=5) as connection:
            head = f"GET /api/v1/agent/alive HTTP/1.1\r\nHost: {first}\r\nX-Other: x\r\nhost: {second}\r\n"
            connection.sendall(f"{head}Connection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
        assert answer.split()[1] == b"400", (first, second)
        assert b"several headers Host" in answer
