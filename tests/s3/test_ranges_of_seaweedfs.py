"""Ranges against a real service whose order is not that of bytes."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from slow_service import LATENCY_SECONDS, in_virtual_time

from gadus.s3 import ranges
from gadus.s3.listing import Listed, Page
from s3_server import Bucket


def test_a_real_service_with_an_order_of_its_own_is_listed_as_page_after_page(bucket: Bucket) -> None:
    """SeaweedFS sorts directory by directory: what is plain gains by ranges, and what is not loses nothing."""
    plain = [f"plain/part-{at:05}" for at in range(1500)]
    odd = [f"odd/{at:03}{sign}" for at in range(60) for sign in ("-b", "/b", ".b", "0", "!x", "/c/d", " +ü")]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(bucket.put, [*plain, *odd, "a-b", "a/b", "a.b", "a0", "a!x"]))
    asked: list[str] = []

    async def listed(prefix: str, *, parallel: bool) -> list[str]:
        async def ask(token: str, start_after: str) -> Page:
            asked.append(start_after)
            where = {"ContinuationToken": token} if token else {"StartAfter": start_after} if start_after else {}
            ask_service = partial(bucket.client.list_objects_v2, Bucket=bucket.name, Prefix=prefix, MaxKeys=20, **where)
            answer = await asyncio.to_thread(ask_service)
            await asyncio.sleep(LATENCY_SECONDS if parallel else 0)
            found = [Listed(entry["Key"], entry["Size"]) for entry in answer.get("Contents", [])]
            return Page(found, answer.get("NextContinuationToken", ""))

        return [one.key async for page in ranges.pages(ask, prefix, prefix) for one in page]

    for prefix in ("plain/", "odd/", "odd/0", ""):
        asked.clear()
        found, _ = in_virtual_time(listed(prefix, parallel=True))
        ranges_were_used = any(asked)
        assert found == in_virtual_time(listed(prefix, parallel=False))[0]
        assert len(found) == len(set(found)) == sum(key.startswith(prefix) for key in [*plain, *odd, *["a"] * 5])
        if prefix == "plain/":
            assert ranges_were_used
