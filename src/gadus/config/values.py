"""The values of settings as people write them. All raise ValueError or InvalidSpec with the reason."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from gadus.core.errors import InvalidSpec
from gadus.core.problem import clipped
from gadus.core.units import parse_bytes

from .settings import PERCENT

_DURATION = re.compile(r"(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,9})s?)?")
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_MODES = ("default", "json")
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def duration(text: str) -> float:
    """The seconds in "90s", "30m", "1h30m" or "90"."""
    parts = _DURATION.fullmatch(text.lower())
    if not text or parts is None:
        raise ValueError(f'{clipped(text)!r} is not a duration: write "90s", "30m" or "1h30m"')
    hours, minutes, seconds = (int(part or 0) for part in parts.groups())
    return float(hours * 3600 + minutes * 60 + seconds)


def labels(text: str) -> dict[str, str]:
    """Labels of a node: ``k=v,k2=v2``."""
    # Commands that read no label must not wait for what reading one takes.
    from gadus.core.selector import parse_labels  # noqa: PLC0415

    return parse_labels([text])


def cache_limit(text: str) -> str:
    """A size or a share of a file system, as it was written."""
    percent = PERCENT.fullmatch(text)
    try:
        right = 1 <= int(percent[1]) <= 100 if percent else parse_bytes(text) > 0
    except ValueError:
        right = False
    if not right:
        raise InvalidSpec([f"{clipped(text)!r} is neither a size nor a share"], hint='write "50GB", "40GiB" or "80%"')
    return text


def log_limit(text: str) -> int:
    """A size above nothing."""
    size_bytes = parse_bytes(text)
    if not size_bytes:
        raise ValueError("nothing of what a program says would be kept: write a size, e.g. 64MiB")
    return size_bytes


def log_level(text: str) -> str:
    """How much is told."""
    if text.lower() not in LOG_LEVELS:
        raise ValueError(f"{clipped(text)!r} is not one of {', '.join(LOG_LEVELS)}")
    return text.lower()


def log_mode(text: str) -> str:
    """In which form."""
    if text.lower() not in LOG_MODES:
        raise ValueError(f"{clipped(text)!r} is neither {' nor '.join(LOG_MODES)}")
    return text.lower()


def truth(text: str) -> bool:
    """Whether it says yes."""
    if text.lower() not in _TRUTHS:
        raise ValueError(f"{clipped(text)!r} is neither true nor false")
    return _TRUTHS[text.lower()]


def is_local(text: str) -> bool:
    """Whether it says that data must be on the machine."""
    if text.lower() not in ("anywhere", "local"):
        raise ValueError(f"{clipped(text)!r} is neither anywhere nor local")
    return text.lower() == "local"


def web_address(text: str) -> str:
    """An address of HTTP."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        # Not the whole of it: it may hold a password.
        raise ValueError("it is not an address that starts with http:// or https://")
    return text


def names(text: str) -> frozenset[str]:
    """Names with commas between them, in lower case."""
    return frozenset(name.strip().lower() for name in text.split(",") if name.strip())
