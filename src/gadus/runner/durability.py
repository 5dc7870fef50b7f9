"""What of the cache survives a power cut: trees marked after a sync; the rest is dropped when the machine has restarted."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_SETTLED_SECONDS = 60
"""Twice the time after which Linux writes changed pages to the disk."""
_FORM = "form 2"
"""How the cache is laid out: what another version laid out otherwise is dropped."""
_MARK = ".durable"


def mark_what_is_durable(trees: Path, *, settled_seconds: float | None = None) -> None:
    """
    Mark, in the background, the trees that have been on this machine for longer than `settled_seconds`, by default a minute.

    By then the kernel has written them out by itself, so that the sync costs next to nothing; no job waits for it.
    """
    seconds = _SETTLED_SECONDS if settled_seconds is None else settled_seconds
    threading.Thread(target=_mark_settled, args=(trees, seconds), daemon=True).start()


def drop_what_a_restart_may_have_torn(root: Path) -> bool:
    """
    If the machine was started anew since the cache was last opened, remove all that is not known to be on the disk.

    True when it did.
    """
    stamp = root / "boot"
    now = f"{_FORM} {_BOOT_ID.read_text().strip()}"
    if _text_of(stamp) == now:
        return False
    handle = os.open(root / "boot.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        before = _text_of(stamp)
        # Another process may have done it while this one waited, and has begun to use what is left.
        if before == now:
            return False
        _empty(root / "partial")
        if before.startswith(_FORM):
            _drop_unmarked(root)
        else:
            _empty(root / "trees")
            for shelf in (root / "objects").iterdir():
                _empty(shelf)
        fresh = root / "boot.new"
        fresh.write_text(now)
        fresh.replace(stamp)
    finally:
        os.close(handle)
    return True


def _drop_unmarked(root: Path) -> None:
    for path in (root / "trees").iterdir():
        if path.is_dir() and not path.with_name(path.name + _MARK).exists():
            shutil.rmtree(path)
    for shelf in (root / "objects").iterdir():
        for entry in os.scandir(shelf):
            # With no second link, no durable tree vouches for it.
            if entry.stat(follow_symlinks=False).st_nlink == 1:
                Path(entry.path).unlink()


def _mark_settled(trees: Path, settled_seconds: float) -> None:
    # A whole data directory may be removed meanwhile.
    with suppress(FileNotFoundError):
        names = frozenset(entry.name for entry in os.scandir(trees))
        files = {name: (trees / name).stat() for name in names if "." not in name and name + _MARK not in names}
        now = time.time()
        settled = {name: file for name, file in files.items() if now - file.st_ctime > settled_seconds}
        if settled:
            _sync_and_mark(trees, settled)


def _sync_and_mark(trees: Path, settled: Mapping[str, os.stat_result]) -> None:
    """Sync the file system, then say so. The order matters: a mark must never come first."""
    handle = os.open(trees, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(handle) == 0:
            for name, file in settled.items():
                _mark(trees / name, file)
    finally:
        os.close(handle)


def _mark(tree: Path, file: os.stat_result) -> None:
    """Mark the tree, unless another has come in its place; with its lease, so that none does at this moment."""
    with suppress(FileNotFoundError, BlockingIOError), tree.with_name(tree.name + ".lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if os.path.samestat(tree.stat(), file):
            tree.with_name(tree.name + _MARK).touch()


def _text_of(stamp: Path) -> str:
    try:
        return stamp.read_text().strip()
    except FileNotFoundError:
        return ""


def _empty(directory: Path) -> None:
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
