"""What is left of executions on this machine: processes, mounts and files that nobody should find when nothing runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

_WORK_IN_PROGRESS = ("shims", "executions", "cache/partial", "pins", "drivers")


def files_left(data_dir: Path) -> list[str]:
    """What stands in the directories of work in progress, and whatever was to be renamed and was not."""
    found = [path for name in _WORK_IN_PROGRESS for path in _entries(data_dir / name)]
    found += [path for pattern in ("*.growing", "*.new") for path in data_dir.rglob(pattern)]
    return sorted({str(path.relative_to(data_dir)) for path in found})


def mounts_left(directory: Path) -> list[str]:
    """The mounts below the directory."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in points if point.startswith(f"{directory}/")]


def processes_left(data_dir: Path, allowed: Collection[int]) -> list[str]:
    """Every other process that names the directory, works in it or has a file of it open; zombies are none."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) not in allowed:
            with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                found += [f"{process.name}: {why}" for why in _ties(process, str(data_dir))][:1]
    return found


def _ties(process: Path, directory: str) -> Iterator[str]:
    command = process.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    if directory in command:
        yield command
    for link in (process / "cwd", process / "root", *(process / "fd").iterdir()):
        with suppress(FileNotFoundError):
            target = str(link.readlink())
            if target == directory or target.startswith(f"{directory}/"):
                yield f"{command} has {target}"


def _entries(directory: Path) -> list[Path]:
    return list(directory.iterdir()) if directory.is_dir() else []
