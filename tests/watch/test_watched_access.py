"""Where callers say who they are, figures and logs are for those who may see them, and tell nobody's secret."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from watched_server import JOBS, WatchedServer, eventually, wasm_job, watched_server
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from gadus.access.file import AccessFile
from gadus.access.granting import create_token

SCOPES = {"a": ["read:job", "write:job"], "b": ["read:job", "write:job"], "watches": ["read:agent"]}


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[WatchedServer, dict[str, str]]]:
    """A server, and the tokens of callers; two of them by the name of their namespace."""
    with watched_server(tmp_path_factory.mktemp("closed"), "--auth") as server:
        file = AccessFile.of(server.data_dir)
        yield server, {who: create_token(file, who, scopes, [who], 3600)[0].reveal() for who, scopes in SCOPES.items()}


def frames(server: WatchedServer, job: str, token: str, request: str, query: str = "") -> Iterator[str]:
    url = f"{server.url.replace('http', 'ws', 1)}{JOBS}/{job}/logs{query}"
    headers = {"Authorization": f"Bearer {token}", "X-Request-Id": request}
    with connect(url, additional_headers=headers, open_timeout=30) as socket:
        for frame in socket:
            yield str(frame)


def test_figures_are_for_who_may_see_the_server_and_count_who_may_not(closed: tuple[WatchedServer, dict[str, str]]):
    server, tokens = closed
    for token, status in (("", 401), ("gadus_wrong", 401), (tokens["a"], 403)):
        answered, body, _ = server("GET", "/metrics", Authorization=f"Bearer {token}")
        assert (answered, b"gadus_jobs" in body) == (status, False)
    status, body, _ = server("GET", "/metrics", Authorization=f"Bearer {tokens['watches']}")
    assert status == 200
    told = body.decode()
    assert 'gadus_http_requests_total{method="GET",route="/metrics",status="403"} 1.0' in told
    assert 'gadus_http_requests_total{method="GET",route="none",status="401"} 2.0' in told
    assert not [text for text in (*tokens, *tokens.values()) if f'"{text}"' in told]


def test_log_of_a_running_job_is_followed_by_its_namespace_alone_and_noted_by_name(
    closed: tuple[WatchedServer, dict[str, str]],
):
    server, tokens = closed
    job = server.submit(wasm_job("forever", Namespace="a"), Authorization=f"Bearer {tokens['a']}")
    try:
        own = frames(server, job, tokens["a"], "own", "?follow=true")
        assert '"Line"' in next(own)
        (refused,) = frames(server, job, tokens["b"], "anothers", "?follow=true")
        assert "job not found" in refused
        with pytest.raises(InvalidStatus) as unknown:
            next(frames(server, job, "gadus_wrong", "nobodys"))
        assert unknown.value.response.status_code == 401
        with pytest.raises(InvalidStatus) as unscoped:
            next(frames(server, job, tokens["watches"], "unscoped"))
        assert unscoped.value.response.status_code == 403
        own.close()
    finally:
        server("DELETE", f"{JOBS}/{job}", Authorization=f"Bearer {tokens['a']}")
    for request, caller, status in (
        ("own", "a", 101),
        ("anothers", "b", 101),
        ("nobodys", None, 401),
        ("unscoped", "watches", 403),
    ):
        line = eventually(lambda request=request: server.noted("request", request_id=request))
        assert (line.get("caller"), line["status"]) == (caller, status)
    assert not [token for token in tokens.values() if token in server.log.read_text()]
    assert "gadus_wrong" not in server.log.read_text()
