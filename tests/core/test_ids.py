"""Identifiers are never given twice, not even by copies of a process."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from gadus.core.ids import new_uuid


def _some(_: int) -> list[str]:
    return [new_uuid() for _ in range(300)]


def test_no_two_are_alike_in_threads_and_in_forked_processes():
    new_uuid()
    with ThreadPoolExecutor(4) as threads:
        found = [one for some in threads.map(_some, range(8)) for one in some]
    with multiprocessing.get_context("fork").Pool(3) as processes:
        found += [one for some in processes.map(_some, range(3), chunksize=1) for one in some]
    found += _some(0)
    assert len(set(found)) == len(found) == 12 * 300
    assert all(UUID(one).version == 4 and str(UUID(one)) == one for one in found)
