"""Bodies of requests: what is taken, and what is refused with the reason."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from gadus.core.errors import InvalidSpec
from gadus.web.bodies import LARGEST_BYTES, Body, body_of


async def read(*pieces: bytes, kind: str = "application/json", length: int | None = None) -> Body:
    waiting = list(pieces)
    headers = [(b"content-type", kind.encode())]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    return await body_of(Request({"type": "http", "headers": headers}, receive))


async def test_keys_count_in_any_case():
    body = await read(b'{"idempotency', b'Token": "k", "FORCE": true, "jobversion": 2}')
    assert (body.text("IdempotencyToken"), body.switch("Force"), body.number("JobVersion")) == ("k", True, 2)
    assert "force" in body


async def test_nulls_and_no_body_count_as_not_given():
    for body in (await read(b'{"Reason": null, "Force": null, "JobVersion": null}'), await read(b"", kind="")):
        assert (body.text("Reason"), body.switch("Force"), body.number("JobVersion")) == ("", False, 0)
        with pytest.raises(InvalidSpec, match="Job: must be given"):
            body.mapping("Job")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"{", "not JSON: .* line 1, column 2"),
        (b"[]", "must be a JSON object"),
        (b'{"a": 1, "a": 2}', "a: given twice"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": 9223372036854775808}', "must fit into 64 bits"),
        (b'{"a": 1' + b"0" * 100_000 + b"}", "must fit into 64 bits"),
        (b'{"a": "\\ud800"}', "not UTF-8"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}", "nested deeper than 32"),
        (b"[" * 500_000, "nested deeper than 32"),
    ],
)
async def test_what_is_no_plain_json_is_refused_with_the_reason(text, said):
    with pytest.raises(InvalidSpec, match=said):
        await read(text)


@pytest.mark.parametrize(
    ("field", "read_it"), [("Reason", "text"), ("JobVersion", "number"), ("Force", "switch"), ("Job", "mapping")]
)
async def test_value_of_another_type_is_named(field, read_it):
    body = await read(b'{"%s": [1]}' % field.encode())
    with pytest.raises(InvalidSpec, match=f"{field}: must be"):
        getattr(body, read_it)(field)


async def test_other_types_of_content_are_refused():
    with pytest.raises(HTTPException) as refused:
        await read(b'{"Job": {}}', kind="text/plain")
    assert refused.value.status_code == 415


async def test_large_body_is_refused_before_it_is_read_whole():
    piece = b" " * (LARGEST_BYTES // 2 + 1)
    for pieces, length in (([b"{}"], LARGEST_BYTES + 1), ([piece, piece, b"never read"], None)):
        with pytest.raises(HTTPException) as refused:
            await read(*pieces, length=length)
        assert refused.value.status_code == 413
