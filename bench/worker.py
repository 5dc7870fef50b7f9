"""What every client written in Python does around its work: time it apart from the start of the interpreter."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path


def report(work: Callable[[], Path]) -> None:
    """Do the work and print, as JSON, how many seconds it took and where the fetched tree is."""
    start = time.monotonic()
    tree = work()
    print(json.dumps({"seconds": time.monotonic() - start, "tree": str(tree)}))
