"""What this process has open: for tests that nothing stays open."""

from __future__ import annotations

from pathlib import Path


def opened() -> set[tuple[str, str]]:
    """
    Every descriptor, with what it is open on.

    Two of these are compared by ``<=``: what another test left to the garbage collector may be closed meanwhile.
    """
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            found.add((descriptor.name, str(descriptor.readlink())))
        except FileNotFoundError:
            # The one that lists the directory.
            continue
    return found
