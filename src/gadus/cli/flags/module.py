"""The MODULE argument of ``gadus wasm run``: a file goes along with the job, anything else is fetched where it runs."""

from __future__ import annotations

import base64
import difflib
import errno
import os
from pathlib import Path, PurePosixPath

from gadus.core.errors import InvalidSpec
from gadus.core.spec import SpecConfig
from gadus.core.units import format_bytes

from .languages import parse_input

LARGEST_MODULE_BYTES = 64 << 20
_MAGIC = b"\0asm"
_NAMES_LOOKED_AT = 10_000


def module_source(text: str) -> SpecConfig:
    """
    Where the module `text` comes from: a file's content itself, or the object or URL it names.

    Raises InvalidSpec when there is no such file, with the nearest name there is.
    """
    return parse_input(text).source if "://" in text else _inline(Path(text))


def split_name(text: str) -> tuple[str, str]:
    """The module and the name it is imported by: MODULE:NAME, or the file's name without ``.wasm``."""
    module, colon, name = text.rpartition(":")
    if colon and module and "/" not in name:
        return module, name
    path = text.partition(",")[0].partition("?")[0]
    return text, PurePosixPath(path).name.removesuffix(".wasm")


def _inline(file: Path) -> SpecConfig:
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST_MODULE_BYTES + 1)
    except OSError as exc:
        raise InvalidSpec(
            [f"MODULE: {str(file)!r} cannot be read: {os.strerror(exc.errno or errno.EIO)}"], hint=_nearest(file)
        ) from exc
    if len(content) > LARGEST_MODULE_BYTES:
        raise InvalidSpec(
            [f"MODULE: {str(file)!r} is larger than {format_bytes(LARGEST_MODULE_BYTES)}"],
            hint="keep large modules in S3 and name them as s3://BUCKET/KEY",
        )
    if not content.startswith(_MAGIC):
        raise InvalidSpec(
            [f"MODULE: {str(file)!r} is not a WebAssembly module: it does not begin with \\0asm"],
            hint="compile the program with a target such as wasm32-wasi",
        )
    return SpecConfig(type="inline", params={"URL": f"data:application/wasm;base64,{base64.b64encode(content).decode()}"})


def _nearest(file: Path) -> str:
    names = []
    try:
        with os.scandir(file.parent) as entries:
            names = [entry.name for entry, _ in zip(entries, range(_NAMES_LOOKED_AT), strict=False)]
    except OSError:
        return f"there is no directory {str(file.parent)!r}; give a file, s3://BUCKET/KEY or https://…"
    modules = [name for name in names if name.endswith(".wasm")]
    near = difflib.get_close_matches(file.name, names, n=1) or difflib.get_close_matches(file.name, modules, n=1, cutoff=0.2)
    return f"did you mean {str(file.parent / near[0])!r}?" if near else "give a file, s3://BUCKET/KEY or https://…"
