"""Files of settings: YAML, each value found with its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gadus.core.problem import PROBLEMS_SHOWN, clipped, nearest

from .keys import BY_NAME, FOREIGN, Key
from .said import Said

if TYPE_CHECKING:
    import yaml

_LARGEST_BYTES = 2**20
_MOST_VALUES = 10_000
_DEEPEST = 12
_NO_MAPPING = "is not a list of settings: write `Name: value`, one a line"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A name as the file has it, its value as text, and where that stands."""

    name: str
    text: str
    line: int


def read_file(path: Path, problems: list[str]) -> Mapping[str, Said]:
    """
    What the file says, by the canonical names of the settings; what is wrong with it is added to `problems`.

    A file that is not there says nothing.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as exc:
        problems.append(f"{path}: cannot be read: {exc.strerror}")
        return {}
    if len(content) > _LARGEST_BYTES:
        problems.append(f"{path}: is larger than a file of settings: at most {_LARGEST_BYTES} bytes")
        return {}
    return read_content(content, path, problems)


def read_content(content: bytes, path: Path, problems: list[str]) -> Mapping[str, Said]:
    """As `read_file`, of what stands or is to stand in it."""
    found: dict[str, Said] = {}
    for one in _scalars_of(content, path, problems):
        if len(problems) >= PROBLEMS_SHOWN:
            return found
        where = f"{path}:{one.line}"
        key = BY_NAME.get(one.name.lower())
        if key is None:
            problems.append(f"{where}: {unknown(one.name)}")
        elif key.name in found:
            problems.append(f"{where}: {key.name} stands here twice: before at {found[key.name].where}")
        else:
            found[key.name] = Said(one.text, where, "file")
    return found


def _scalars_of(content: bytes, path: Path, problems: list[str]) -> Iterator[Scalar]:
    """Every value in the text of a file."""
    import yaml  # noqa: PLC0415 - most commands find no file

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        root = yaml.compose(content, loader)
        if root is None:
            return
        if not isinstance(root, yaml.MappingNode):
            problems.append(f"{path}: {_NO_MAPPING}")
            return
        for number, one in enumerate(_walk(root, (), 0)):
            if number >= _MOST_VALUES:
                problems.append(f"{path}: has more than {_MOST_VALUES} values")
                return
            if one is not None:
                yield one
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        problems.append(f"{path}{f':{mark.line + 1}' if mark else ''}: is not YAML: {getattr(exc, 'problem', '') or exc}")
    except (ValueError, RecursionError) as exc:
        problems.append(f"{path}: {exc}")


def unknown(name: str) -> str:
    """What to say of a name that is no setting."""
    low = name.lower()
    beginnings = sorted((known for known in FOREIGN if low == known or low.startswith(known + ".")), key=len)
    groups = {known.rpartition(".")[0] for known in BY_NAME}
    if low in groups:
        return f"{clipped(name)} is a group of settings: give one of them, e.g. {_first_of(low).name}"
    import difflib  # noqa: PLC0415 - only for mistakes

    near = difflib.get_close_matches(low[:100], BY_NAME, n=1, cutoff=0.8)
    if beginnings and not near:
        return f"{clipped(name)} has no effect in Gadus: {FOREIGN[beginnings[-1]]}; remove it"
    return f"{clipped(name)} is not a setting: {_nearest(name)}"


def _nearest(name: str) -> str:
    told = nearest(name, [key.name for key in BY_NAME.values()])
    return told if told.startswith("did") else "`gadus config list` shows every setting"


def _first_of(group: str) -> Key:
    return next(key for name, key in BY_NAME.items() if name.startswith(group + "."))


def _walk(node: yaml.Node, path: tuple[str, ...], depth: int) -> Iterator[Scalar | None]:
    """
    The scalars below a node; a list or mapping where one setting is expected becomes words with commas.

    Gives None for each group, so that whoever counts ends a file that repeats itself without end.
    """
    name = ".".join(path)
    key = BY_NAME.get(name.lower())
    line = node.start_mark.line + 1
    if depth > _DEEPEST:
        raise ValueError(f"line {line}: is nested too deeply")
    if not isinstance(node.value, list):
        yield Scalar(name, "" if node.tag.endswith(":null") else str(node.value).strip(), line)
    elif key is not None or not _is_mapping(node):
        yield Scalar(name, _words(node, line), line)
    else:
        yield None
        for inner, value in node.value:
            yield from _walk(value, (*path, *_name_of(inner)), depth + 1)


def _is_mapping(node: yaml.Node) -> bool:
    return all(isinstance(part, tuple) for part in node.value)


def _name_of(node: yaml.Node) -> tuple[str, ...]:
    if isinstance(node.value, list) or node.tag.endswith(":merge"):
        raise ValueError(f"line {node.start_mark.line + 1}: the name of a setting is a word")
    return (str(node.value),)


def _words(node: yaml.Node, line: int) -> str:
    pairs = node.value and _is_mapping(node)
    parts: list[Any] = [part for pair in node.value for part in pair] if pairs else node.value
    if any(isinstance(part.value, list) or "," in part.value for part in parts):
        raise ValueError(f"line {line}: write words here, one after the other")
    if pairs:
        return ",".join(f"{name.value}={value.value}" for name, value in node.value)
    return ",".join(part.value for part in parts) or ","
