"""
Looks at the processes of this machine again and again, and tells which executions were alive at the same time.

It asks neither the server nor the store. What belongs to which execution is seen at the processes themselves:

    shim        a fork of the nursery that has the file <data>/shims/<execution> locked: one execution after the other
    spare       a fork of the nursery that waits for an execution
    program     a fork of the nursery of programs whose output a shim reads, of a container whoever has GADUS_EXECUTION_ID in
                its environment
    young       a fork of the nursery of programs before it has its program: without the shim it never gets it, and ends
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

LOOK_SECONDS = 0.02
_LOOKS_AT_STRANGERS = 25
"""A process is taken for somebody else's after so many looks: young ones become others by exec."""
_BECOME_OTHERS = ("spare", "young", "shim")
_SIGKILL_BIT, _SIGSEGV_BIT = 1 << 8, 1 << 10


@dataclass(frozen=True)
class Process:
    """One process by number and start; `role` as above, or nursery, nursery of programs, or container."""

    pid: int
    start_ticks: int
    role: str
    execution_id: str = ""

    def lives(self) -> bool:
        """Whether it can still run an instruction of its own."""
        return _start_of(self.pid) == self.start_ticks and not _is_killed(self.pid)


class Witness:
    """Looks on in a thread of its own while the block lasts."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._known: dict[int, Process] = {}
        self._strangers: dict[int, int] = {}
        self._parts: dict[str, tuple[str, int]] = {}
        self._present: tuple[Process, ...] = ()
        self._running: dict[int, str] = {}
        self._read_by: dict[str, str] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)
        self.looks = 0
        self.executions: set[str] = set()
        """Every execution of which a process was seen."""
        self.at_once: list[str] = []
        """Every time that two executions of one part of a job were seen alive at once."""
        self.beside_a_container: list[str] = []
        """Every time that an execution got ready while a container of an earlier one still ran: its engine may be away."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def present(self, *roles: str) -> list[Process]:
        """Who was there at the last look, in these roles."""
        return [one for one in self._present if one.role in roles]

    def _look_on(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        """Once."""
        numbers = {int(name) for name in os.listdir("/proc") if name.isdigit()}  # noqa: PTH208 - a path for each would cost more than the look
        for gone in self._known.keys() - numbers:
            del self._known[gone]
        for gone in self._strangers.keys() - numbers:
            del self._strangers[gone]
        self._running = _locked_by(self._data_dir / "shims")
        self._read_by = {}
        for pid, execution_id in self._running.items():
            with suppress(FileNotFoundError, ProcessLookupError):
                self._read_by |= dict.fromkeys(_pipes_of(pid), execution_id)
        for pid in sorted(numbers):
            with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                self._look_at(pid)
        self._present = tuple(self._known.values())
        self.looks += 1
        self._compare()

    def _look_at(self, pid: int) -> None:
        known = self._known.get(pid)
        if known is not None and known.role not in _BECOME_OTHERS:
            if known.lives():
                return
            del self._known[pid]
            return
        looks = self._strangers.get(pid, 0)
        if looks >= _LOOKS_AT_STRANGERS:
            return
        role, execution_id = self._role_of(pid)
        start = _start_of(pid)
        if not role or start is None:
            self._known.pop(pid, None)
            self._strangers[pid] = looks + 1
            return
        self._known[pid] = Process(pid, start, role, execution_id)
        if execution_id:
            self.executions.add(execution_id)
            self._learn_part(pid, execution_id)

    def _role_of(self, pid: int) -> tuple[str, str]:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        parent = self._known.get(_parent_of(pid))
        if b"_wasm_nursery" in command:
            return self._role_of_program(pid, parent)
        if b"gadus.nursery" not in command.split(b"\0"):
            return self._role_of_contained(pid)
        if str(self._data_dir).encode() not in command.split(b"\0"):
            return "", ""
        if pid in self._running:
            return "shim", self._running[pid]
        known = self._known.get(pid)
        forked = known is not None or (parent is not None and parent.role == "nursery")
        return ("spare" if forked else "nursery"), ""

    def _role_of_program(self, pid: int, parent: Process | None) -> tuple[str, str]:
        if parent is not None and parent.role == "nursery":
            return "nursery of programs", ""
        known = self._known.get(pid)
        output = str(Path(f"/proc/{pid}/fd/1").readlink())
        execution_id = self._read_by.get(output, known.execution_id if known else "")
        if not execution_id:
            return "", ""
        return ("program" if _has_its_program(pid) else "young"), execution_id

    def _role_of_contained(self, pid: int) -> tuple[str, str]:
        # The shims and whoever runs these tests have no such variable: it is given to programs alone.
        for variable in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            name, _, value = variable.partition(b"=")
            # Of another installation are those that this one never had an order for.
            if name == b"GADUS_EXECUTION_ID" and self._is_ours(value.decode()):
                return "container", value.decode()
        return "", ""

    def _is_ours(self, execution_id: str) -> bool:
        return execution_id in self.executions or (self._data_dir / "shims" / execution_id).exists()

    def _learn_part(self, pid: int, execution_id: str) -> None:
        """Which part of which job the execution is: as its order says, or its own environment."""
        if execution_id in self._parts:
            return
        with suppress(FileNotFoundError), (self._data_dir / "shims" / execution_id).open("rb") as records:
            order = json.loads(records.readline())
            self._parts[execution_id] = order["job"]["id"], order["execution"]["index"]
            return
        text = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        values = dict(variable.partition(b"=")[::2] for variable in text)
        if b"GADUS_JOB_ID" in values:
            self._parts[execution_id] = values[b"GADUS_JOB_ID"].decode(), int(values[b"GADUS_PARTITION_INDEX"])

    def _compare(self) -> None:
        by_part: dict[tuple[str, int], dict[str, list[Process]]] = defaultdict(lambda: defaultdict(list))
        for one in self._present:
            if one.execution_id in self._parts and one.role != "young":
                by_part[self._parts[one.execution_id]][one.execution_id].append(one)
        for part, executions in by_part.items():
            if len(executions) < 2:
                continue
            # All of them were seen before now, and those that live now lived then as well: they did so at the same time.
            alive = [one for several in executions.values() for one in several if one.lives()]
            told = f"{time.time():.3f} job {part[0]} index {part[1]}: {alive}"
            if len({one.execution_id for one in alive if one.role != "container"}) > 1 or _two_run(alive):
                self.at_once.append(told)
            elif len({one.execution_id for one in alive}) > 1:
                self.beside_a_container.append(told)


def _two_run(alive: Sequence[Process]) -> bool:
    return len({one.execution_id for one in alive if one.role in ("program", "container")}) > 1


def _locked_by(directory: Path) -> dict[int, str]:
    """The process that holds the lock of a file, by the kernel's own list, and the name of the file."""
    files = {}
    with suppress(FileNotFoundError):
        for entry in os.scandir(directory):
            with suppress(FileNotFoundError):
                files[entry.stat().st_ino] = entry.name
    held = {}
    for line in Path("/proc/locks").read_text().splitlines():
        kind, pid, file = (line.split()[place] for place in (1, 4, 5))
        inode = int(file.rpartition(":")[2])
        if kind == "FLOCK" and inode in files:
            held[int(pid)] = files[inode]
    return held


def _pipes_of(pid: int) -> list[str]:
    """The pipes that a process has open."""
    found = []
    for descriptor in os.scandir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):
            target = os.readlink(descriptor.path)  # noqa: PTH115 - no more than a string is wanted
            if target.startswith("pipe:"):
                found.append(target)
    return found


def _fields_of(pid: int) -> list[str]:
    # The name before them may hold spaces and brackets.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _start_of(pid: int) -> int | None:
    """When it started; None when there is none, or when it has ended and only its name is left."""
    try:
        fields = _fields_of(pid)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _parent_of(pid: int) -> int:
    return int(_fields_of(pid)[1])


def _has_its_program(pid: int) -> bool:
    """Whether the engine of WebAssembly is at work in it: from then on it catches what a program does with its memory."""
    return any(mask & _SIGSEGV_BIT for mask in _signals(pid, "SigCgt:"))


def _is_killed(pid: int) -> bool:
    """Whether the kernel has its SIGKILL already, and only has to carry it out."""
    try:
        return any(mask & _SIGKILL_BIT for mask in _signals(pid, "SigPnd:", "ShdPnd:"))
    except (FileNotFoundError, ProcessLookupError):
        return True


def _signals(pid: int, *sets: str) -> list[int]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return [int(line.split()[1], 16) for line in lines if line.startswith(sets)]
