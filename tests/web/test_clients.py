"""Which client asks, told by its headers."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from gadus.web.clients import names_jobs, numbering_for, version_of, waits_by_history
from gadus.web.wire import NUMBERS_OF_1_4, NUMBERS_SINCE_1_5_2


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw})


def client(version: str) -> Request:
    return request(X_Bacalhau_Git_Version=version)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v1.4.0", (1, 4, 0)),
        ("1.9.3", (1, 9, 3)),
        ("v1.5.0-rc1", (1, 5, 0)),
        ("v0.0.0-xxxxxxx", (0, 0, 0)),
        ("", (0, 0, 0)),
        ("latest", (0, 0, 0)),
    ],
)
def test_version_is_read_from_its_header(text, version):
    assert version_of(client(text)) == version


def test_each_client_gets_the_numbers_that_it_knows():
    assert numbering_for(client("v1.4.0")) is NUMBERS_OF_1_4
    assert numbering_for(client("v1.5.1")) is NUMBERS_OF_1_4
    assert numbering_for(client("v1.5.2")) is NUMBERS_SINCE_1_5_2
    assert numbering_for(request(User_Agent="Swagger-Codegen//python")) is NUMBERS_OF_1_4
    assert numbering_for(request(User_Agent="Mozilla/5.0 (X11)")) is NUMBERS_SINCE_1_5_2
    assert numbering_for(request()) is NUMBERS_OF_1_4


def test_later_clients_wait_by_history_and_know_jobs_by_name():
    assert [waits_by_history(client(one)) for one in ("v1.4.0", "v1.5.0")] == [False, True]
    assert [names_jobs(client(one)) for one in ("v1.7.0", "v1.8.0")] == [False, True]
