"""Identifiers are never given twice, not even by copies of a process."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from gadus.core.ids import new_uuid

_FORKED = """
import os, sys
from gadus.core.ids import new_uuid
new_uuid()
if os.fork() == 0:
    print(*(new_uuid() for _ in range(300)), flush=True)
    os._exit(0)
os.wait()
print(*(new_uuid() for _ in range(300)))
"""


def test_no_two_are_alike_in_threads() -> None:
    with ThreadPoolExecutor(4) as threads:
        found = [one for some in threads.map(lambda _: [new_uuid() for _ in range(300)], range(8)) for one in some]
    assert len(set(found)) == len(found) == 8 * 300
    assert all(UUID(one).version == 4 and str(UUID(one)) == one for one in found)


def test_a_forked_process_gives_others_than_its_parent() -> None:
    told = subprocess.run(
        [sys.executable, "-c", _FORKED], capture_output=True, text=True, timeout=30, check=True
    ).stdout.split()
    assert len(set(told)) == len(told) == 600
