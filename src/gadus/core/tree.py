"""Which paths can be the files of one directory: decided before the first byte is fetched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .errors import InputUnsafe

_LONGEST_COMPONENT_BYTES = 255
_LONGEST_PATH_BYTES = 4096 - 256
_NAMED_IN_ERROR = 10


def check_paths(paths: Mapping[str, str], directories: Sequence[str] = ()) -> None:
    """
    Raise InputUnsafe, naming every key at fault, unless all paths can be files of one tree.

    `paths` are relative paths by key, `directories` empty directories to be made. Refused: absolute paths, empty, ``.`` and
    ``..`` components, NUL, components over 255 bytes, two keys for one path, and a file where another key needs a directory.
    """
    faults = [f"{key!r}: {fault}" for key, path in paths.items() if (fault := _fault(path))]
    faults += [f"{path + '/'!r}: {fault}" for path in directories if (fault := _fault(path))]
    faults += _collisions(paths, directories)
    if faults:
        more = f"\n… and {len(faults) - _NAMED_IN_ERROR} more" if len(faults) > _NAMED_IN_ERROR else ""
        raise InputUnsafe(
            "these keys cannot be files of one directory:\n  " + "\n  ".join(faults[:_NAMED_IN_ERROR]) + more,
            hint="leave them out with Filter, or name a longer prefix in Key",
        )


def parents(path: str) -> Iterable[str]:
    """Every directory above `path`, nearest first, without the root."""
    while (path := path.rpartition("/")[0]) != "":
        yield path


def _fault(path: str) -> str:
    """Why `path` is no safe relative path; "" when it is."""
    if path.startswith("/"):
        return "the path is absolute"
    if "\0" in path:
        return "the path contains a null character"
    components = path.split("/")
    if ".." in components:
        return "the path leaves the directory with '..'"
    if "" in components or "." in components:
        return "the path has an empty component"
    if any(len(one.encode("utf-8", "surrogateescape")) > _LONGEST_COMPONENT_BYTES for one in components):
        return f"a part between slashes is over {_LONGEST_COMPONENT_BYTES} bytes"
    if len(path.encode("utf-8", "surrogateescape")) > _LONGEST_PATH_BYTES:
        return f"the path is over {_LONGEST_PATH_BYTES} bytes"
    return ""


def _collisions(paths: Mapping[str, str], directories: Sequence[str]) -> list[str]:
    faults = []
    owners: dict[str, str] = {}
    for key, path in paths.items():
        if path in owners:
            faults.append(f"{key!r}: would be the same file as {owners[path]!r}")
        owners.setdefault(path, key)
    needed = {above for path in (*paths.values(), *directories) for above in parents(path)} | set(directories)
    faults += [
        f"{owners[path]!r}: would be a file, and other keys need a directory of that name"
        for path in sorted(needed & owners.keys())
    ]
    return faults
