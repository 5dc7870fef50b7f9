"""Which services are listed in ranges: slow ones that are known to list in the order of bytes."""

from __future__ import annotations

import pytest

from gadus.config import Settings
from gadus.storage.s3 import Source
from hostile_s3 import HostileS3

KEYS = [f"data/{number:05d}.csv" for number in range(2000)]


async def listed(service: HostileS3, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    for name, value in service.server.environment().items():
        monkeypatch.setenv(name, value)
    service.page_keys = 40
    service.page_seconds = 0.03
    for key in KEYS:
        service.put(key, key.encode())
    source = Source(Settings(data_dir=tmp_path))  # type: ignore[arg-type]
    params = Source.Params.model_validate({"Bucket": "bucket", "Key": "data/", "Endpoint": service.server.endpoint})
    return [item.key async for found in source.resolve(params) for item in found.items]


async def test_a_slow_amazon_is_listed_in_ranges_with_the_same_answer(hostile_s3, tmp_path, monkeypatch) -> None:
    hostile_s3.name = "AmazonS3"
    assert await listed(hostile_s3, tmp_path, monkeypatch) == KEYS
    assert hostile_s3.requests["start-after"] > 3
    assert hostile_s3.requests["LIST"] < 50 + 2 * 16 + 3


async def test_a_slow_stranger_is_listed_page_by_page(hostile_s3, tmp_path, monkeypatch) -> None:
    assert await listed(hostile_s3, tmp_path, monkeypatch) == KEYS
    assert hostile_s3.requests["start-after"] == 0
    assert hostile_s3.requests["LIST"] == 50
