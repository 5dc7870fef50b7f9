"""Puts a value into a file of settings, and leaves everything else in it as it is."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gadus.core.errors import InvalidSpec, StorageUnavailable
from gadus.durable import write_durably

from .files import read_content, read_file
from .keys import Key
from .profiles import config_dir
from .sources import FILE_NAME

if TYPE_CHECKING:
    import yaml

_STEP = "  "


def file_of(key: Key, data_dir: Path, environment: Mapping[str, str] | None = None) -> Path:
    """Where a setting is kept: in the data directory, and what names that directory beside the user's profiles."""
    if key.name == "DataDir":
        return config_dir(os.environ if environment is None else environment) / FILE_NAME
    return data_dir / FILE_NAME


def set_value(path: Path, key: Key, text: str) -> None:
    """
    The file says `text` for the setting from now on; comments and order stay where that can be.

    `text` must be right already. Raises InvalidSpec for a file that is wrong as it is, StorageUnavailable when it cannot be
    written.
    """
    problems: list[str] = []
    before = read_file(path, problems)
    if problems:
        raise InvalidSpec(problems, hint=f"correct {path} first")
    wanted = {name: said.text for name, said in before.items()} | {key.name: text}
    try:
        old = path.read_text() if path.exists() else ""
        new = _edited(old, key, text)
        if not _says(new, wanted, path):
            new = _whole(wanted)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # A link stays one.
        write_durably(path.resolve(), new.encode())
    except OSError as exc:
        raise StorageUnavailable(f"{path} cannot be written: {exc.strerror or exc}", hint="check who owns it") from exc


def _says(content: str, wanted: Mapping[str, str], path: Path) -> bool:
    """Whether this content says exactly that."""
    problems: list[str] = []
    found = read_content(content.encode(), path, problems)
    return not problems and {name: said.text for name, said in found.items()} == dict(wanted)


def _edited(old: str, key: Key, text: str) -> str:
    """The old content with the value in its place, or below the last of its groups that is there; empty when it has none."""
    import yaml  # noqa: PLC0415

    root = yaml.compose(old, yaml.SafeLoader)
    path = key.name.split(".")
    if not isinstance(root, yaml.MappingNode):
        return _joined(old, _nested(path, text, 0))
    group: yaml.MappingNode = root
    for depth, name in enumerate(path):
        value = next((value for known, value in group.value if known.value.lower() == name.lower()), None)
        if value is None:
            return _inserted(old, group, _nested(path[depth:], text, 0 if group is root else group.start_mark.column))
        if depth == len(path) - 1:
            return old[: value.start_mark.index] + _scalar(text) + old[value.end_mark.index :]
        if not isinstance(value, yaml.MappingNode):
            return ""
        group = value
    return ""


def _inserted(old: str, group: yaml.MappingNode, new: str) -> str:
    if group.flow_style:
        return ""
    if not group.start_mark.column:
        return _joined(old, new)
    lines = old.splitlines(keepends=True)
    lines.insert(group.start_mark.line, new)
    return "".join(lines)


def _nested(path: list[str], text: str, column: int) -> str:
    lines = [" " * column + _STEP * depth + name + ":" for depth, name in enumerate(path)]
    lines[-1] += f" {_scalar(text)}"
    return "\n".join(lines) + "\n"


def _scalar(text: str) -> str:
    # What JSON has in quotes, YAML reads as the same text.
    plain = text.replace("-", "").replace(".", "").replace("/", "").isalnum() and not text.startswith("-")
    return text if plain else json.dumps(text, ensure_ascii=False)


def _joined(old: str, new: str) -> str:
    return old + ("\n" if old and not old.endswith("\n") else "") + new


def _whole(wanted: Mapping[str, str]) -> str:
    """A new file with these values."""
    import yaml  # noqa: PLC0415

    document: dict[str, Any] = {}
    for name, text in wanted.items():
        *path, last = name.split(".")
        inner = document
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = text
    written: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    return written
