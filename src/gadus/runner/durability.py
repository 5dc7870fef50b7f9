"""What of the cache survives a power cut: trees marked after a sync; the rest is dropped when the machine has restarted."""

from __future__ import annotations

import ctypes
import os
import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_SETTLED_SECONDS = 60
"""Twice the time after which Linux writes changed pages to the disk."""


def mark_what_is_durable(trees: Path) -> None:
    """
    Mark, in the background, the trees that have been on this machine for a while.

    By then the kernel has written them out by itself, so that the sync costs next to nothing; no job waits for it.
    """
    now = time.time()
    settled = [
        tree
        for tree in trees.iterdir()
        if tree.is_dir() and not _mark_of(tree).exists() and now - tree.stat().st_ctime > _SETTLED_SECONDS
    ]
    if settled:
        threading.Thread(target=_sync_and_mark, args=(settled,), daemon=True).start()


def _sync_and_mark(trees: Sequence[Path]) -> None:
    """Sync the file system, then say so. The order matters: a mark must never come first."""
    handle = os.open(trees[0].parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(handle) == 0:
            for tree in trees:
                _mark_of(tree).touch()
    finally:
        os.close(handle)


def _mark_of(tree: Path) -> Path:
    return tree.with_name(tree.name + ".durable")


def drop_what_a_restart_may_have_torn(root: Path, trees: Path, objects: Path) -> None:
    """If the machine was started anew since the cache was last opened, remove every tree and object not known to be on disk."""
    stamp = root / "boot"
    now = _BOOT_ID.read_text().strip()
    before = stamp.read_text().strip() if stamp.exists() else ""
    if before == now:
        return
    if before:
        for tree in trees.iterdir():
            if tree.is_dir() and not _mark_of(tree).exists():
                shutil.rmtree(tree)
        for name in objects.glob("*/*"):
            # With no second link, no durable tree vouches for it.
            if name.stat().st_nlink == 1:
                name.unlink()
    fresh = root / f"boot.{os.getpid()}"
    fresh.write_text(now)
    fresh.replace(stamp)
