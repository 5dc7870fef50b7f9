"""The values of settings as people write them. All raise ValueError or InvalidSpec with the reason."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from gadus.core.capacity import Limit, share_or_amount, whole_number
from gadus.core.errors import InvalidSpec
from gadus.core.problem import clipped
from gadus.core.secret import Secret
from gadus.core.units import parse_bytes, parse_cores

from .settings import PERCENT

_DURATION = re.compile(r"(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,9})(?:s|$))?(?:([0-9]{1,9})ms)?")
_PROOF = re.compile(r"[!-~]{1,16384}")
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_MODES = ("default", "json")
_LEVELS = {
    "trace": "debug",
    "debug": "debug",
    "info": "info",
    "notice": "info",
    "warn": "warning",
    "warning": "warning",
    "error": "error",
    "fatal": "error",
    "panic": "error",
    "critical": "error",
}
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def duration(text: str) -> float:
    """The seconds in "90s", "30m", "1h30m" or "90"."""
    parts = _DURATION.fullmatch(text.lower())
    if not text or parts is None:
        raise ValueError(f'{clipped(text)!r} is not a duration: write "90s", "30m" or "1h30m"')
    hours, minutes, whole, thousandths = (int(part or 0) for part in parts.groups())
    return hours * 3600 + minutes * 60 + whole + thousandths / 1000


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


def proof(text: str) -> Secret:
    """A token, as a header can carry it. Nothing of it is told when it is wrong."""
    if not _PROOF.fullmatch(text):
        raise ValueError("there is a space, a line break or a strange letter in the token: copy it once more")
    return Secret(text)


def names(text: str) -> frozenset[str]:
    """Names with commas between them, in lower case."""
    return frozenset(name.strip().lower() for name in text.split(",") if name.strip())


def allowed(text: str) -> frozenset[str] | None:
    """The only names that are allowed; None for "all"."""
    return None if text.lower() == "all" else names(text)


def words(text: str) -> tuple[str, ...]:
    """Words with commas between them."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def yes_or_unsaid(text: str) -> bool | None:
    """As `truth`; None for nothing."""
    return truth(text) if text else None


def seconds(text: str) -> int:
    """A duration of whole seconds, as jobs have them."""
    return math.ceil(duration(text))


def priority(text: str) -> int:
    """The priority of a job."""
    return _whole(text, -(2**31), 2**31 - 1)


def port(text: str) -> int:
    """A port to listen at, or 0."""
    return _whole(text, 0, 65535)


def host(text: str) -> str:
    """An address to listen at."""
    if not re.fullmatch(r"[A-Za-z0-9.:_%\[\]-]{1,255}", text):
        raise ValueError(f"{clipped(text)!r} is neither an address nor the name of a host")
    return text


def node_name(text: str) -> str:
    """The id of a node."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", text):
        raise ValueError(f"{clipped(text)!r} is no name: use letters, digits, dots, dashes and underscores, at most 128")
    return text


def name_provider(text: str) -> str:
    """How a node gets its id."""
    return _one_of(text, "hostname", "puuid", "uuid")


def log_mode(text: str) -> str:
    """How a server tells what happens."""
    return _one_of(text, *LOG_MODES)


def log_level(text: str) -> str:
    """How much it tells; the words of other programs are understood."""
    level = _LEVELS.get(text.lower())
    if level is None:
        raise ValueError(f"{clipped(text)!r} is not a level: use one of {', '.join(LOG_LEVELS)}")
    return level


def share_of_cores(text: str) -> Limit:
    """A limit of CPU cores."""
    return _share(text, parse_cores)


def share_of_bytes(text: str) -> Limit:
    """A limit of bytes."""
    return _share(text, parse_bytes)


def share_of_devices(text: str) -> Limit:
    """A limit of devices."""
    return _share(text, whole_number)


def _share(text: str, parse: Callable[[str], float]) -> Limit:
    try:
        return share_or_amount(text, read=parse, setting="")
    except InvalidSpec as exc:
        raise InvalidSpec([problem.removeprefix(": ") for problem in exc.problems], hint=exc.hint) from exc


def _one_of(text: str, *known: str) -> str:
    if text.lower() not in known:
        raise ValueError(f"{clipped(text)!r} is none of {', '.join(known)}")
    return text.lower()


def _whole(text: str, smallest: int, largest: int) -> int:
    if not re.fullmatch(r"-?[0-9]{1,10}", text) or not smallest <= int(text) <= largest:
        raise ValueError(f"{clipped(text)!r} is not a whole number from {smallest} to {largest}")
    return int(text)
