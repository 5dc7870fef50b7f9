"""What every client written in Python does around its work: wait for the word, and time it without the interpreter's start."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Staged:
    """The fetched tree, and how much of it the client says it fetched now."""

    tree: Path
    fetched_objects: int
    fetched_bytes: int


def report(work: Callable[[], Path | Staged]) -> None:
    """
    Do the work and print, as JSON, how many seconds it took and where the fetched tree is.

    First it says "ready" and waits for a line, or the end, of standard input: so that many can begin at once.
    """
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.monotonic()
    done = work()
    figures = {"seconds": time.monotonic() - start}
    if isinstance(done, Staged):
        told = {"tree": str(done.tree), "fetched_objects": done.fetched_objects, "fetched_bytes": done.fetched_bytes}
    else:
        told = {"tree": str(done)}
    print(json.dumps({**figures, **told}))
