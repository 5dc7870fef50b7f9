"""What is fetched: the data of each workload, whole for the quick clients and a part of it for the slow ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from .content import KIB, MIB

BUCKET = "bench"
FAR_OBJECTS = 20_000
SAMPLE_OBJECTS = 2_000
SERIAL_OBJECTS = 200
LARGE_BYTES = 1 * MIB
# One of each that a shell, a URL or a path might take for something else; none that a client cannot make a file of.
ODD_NAMES = (
    "with space", "a+b", "100%", "%41", "Überfluß", "日本語", "it's", "semi;colon", "at@home", "eq=ual", "tilde~",
    "comma,", "dollar$", "amp&ersand", "(round)", "hash#", "em—dash", "{curly}", "caret^",
)  # fmt: skip
DEPTH = 12


@dataclass(frozen=True, slots=True)
class Data:
    """`objects` objects of `size_bytes` each, under the prefix ``<name>/``; `path` gives each number its relative path."""

    name: str
    objects: int
    size_bytes: int
    path: Callable[[int], str]

    @property
    def prefix(self) -> str:
        return f"{self.name}/"

    @property
    def total_bytes(self) -> int:
        return self.objects * self.size_bytes

    @property
    def paths(self) -> Iterator[str]:
        return (self.path(number) for number in range(self.objects))

    def part(self, name: str, objects: int, size_bytes: int = 0) -> Data:
        """The same with fewer or smaller objects, beside the whole."""
        return replace(self, name=f"{self.name}-{name}", objects=objects, size_bytes=size_bytes or self.size_bytes)


@dataclass(frozen=True, slots=True)
class Workload:
    """
    The parts are fetched instead of `data` where a whole run would take minutes, and their figures are multiplied.

    `far` is for quick clients of a service with latencies, `sample` for slow clients, and `few` for one object after another.
    """

    id: str
    title: str
    data: Data
    far: Data
    sample: Data
    few: Data

    @property
    def large(self) -> bool:
        """Whether its objects are fetched in parts."""
        return self.data.size_bytes >= LARGE_BYTES

    @property
    def all_data(self) -> tuple[Data, ...]:
        """Everything to be stored, each once."""
        return tuple(dict.fromkeys((self.data, self.far, self.sample, self.few)))


def workloads(*, quick: bool, scale: float = 1.0) -> dict[str, Workload]:
    """All of them by id; `scale` makes them smaller still, to try the benchmark itself."""

    def objects(number: int) -> int:
        return max(1, int(number * scale))

    def large(identifier: str, number: int, size_bytes: int) -> Workload:
        size_bytes = max(MIB, int(size_bytes * scale)) if number == 1 else size_bytes
        data = Data(identifier.lower(), number if number == 1 else objects(number), size_bytes, _flat)
        title = f"{data.objects:,} × {_size(size_bytes)}"
        few = data.part("few", max(1, data.objects // 8), max(MIB, size_bytes // 8) if number == 1 else size_bytes)
        return Workload(identifier, title, data, data, data, few)

    def small(identifier: str, number: int, size_bytes: int, path: Callable[[int], str], what: str) -> Workload:
        data = Data(identifier.lower(), objects(number), size_bytes, path)
        title = f"{data.objects:,} × {_size(size_bytes)}, {what}"
        sample = data.part("sample", objects(SAMPLE_OBJECTS // 4 if quick else SAMPLE_OBJECTS))
        far = data.part("far", objects(FAR_OBJECTS)) if number > FAR_OBJECTS else data
        return Workload(identifier, title, data, far, sample, data.part("few", objects(SERIAL_OBJECTS)))

    return {
        "W1": large("W1", 1, 1024 * MIB if quick else 4096 * MIB),
        "W2": large("W2", 64, 8 * MIB if quick else 64 * MIB),
        "W3": small("W3", 10_000, 64 * KIB, _hundreds, "a hundred to a directory"),
        "W4": small("W4", 10_000 if quick else 100_000, 4 * KIB, _flat, "one directory"),
        "W5": small("W5", 5_000 if quick else 20_000, 8 * KIB, _odd, f"{DEPTH} directories deep, odd names"),
    }


def _size(size_bytes: int) -> str:
    for unit, name in ((1 << 30, "GiB"), (MIB, "MiB")):
        if size_bytes % unit == 0:
            return f"{size_bytes // unit} {name}"
    return f"{size_bytes // KIB} KiB"


def _flat(number: int) -> str:
    return f"{number:06d}.bin"


def _hundreds(number: int) -> str:
    return f"{number // 100:03d}/{number:06d}.bin"


def _odd(number: int) -> str:
    directories = [ODD_NAMES[(number // 100 + level) % len(ODD_NAMES)] for level in range(DEPTH - 1)]
    return "/".join([f"{number // 100:03d}", *directories, f"{ODD_NAMES[number % len(ODD_NAMES)]} {number:06d}"])
