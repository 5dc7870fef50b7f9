"""Which client asks: versions of Bacalhau's clients read some answers differently."""

from __future__ import annotations

import re

from starlette.requests import HTTPConnection

from .heads import heads_of
from .wire import NUMBERS_OF_1_4, NUMBERS_SINCE_1_5_2, Numbering

_VERSION = re.compile(r"v?([0-9]{1,6})\.([0-9]{1,6})\.([0-9]{1,6})(?:$|[-+])")
_UNKNOWN = (0, 0, 0)
_NOT_RELEASED = re.compile(r"v?0\.0\.0(?:-x*)?")

Version = tuple[int, int, int]


def version_of(request: HTTPConnection) -> Version:
    """The version that a client says it has; zeros when it says none."""
    text = heads_of(request.scope).get("x-bacalhau-git-version", "").strip()
    found = _VERSION.match(text)
    if found is None or not_released(text):
        return _UNKNOWN
    return int(found[1]), int(found[2]), int(found[3])


def not_released(text: str) -> bool:
    """Whether this is what a client says that was built of no release."""
    return _NOT_RELEASED.fullmatch(text) is not None


def numbering_for(request: HTTPConnection) -> Numbering:
    """The numbers of states that the client knows: browsers have a page of a late version, who says nothing has 1.4."""
    browser = heads_of(request.scope).get("user-agent", "").startswith("Mozilla/")
    return NUMBERS_SINCE_1_5_2 if browser or version_of(request) >= (1, 5, 2) else NUMBERS_OF_1_4


def swagger(request: HTTPConnection) -> bool:
    """Whether the client is the Python one, which was generated from a description with names of its own."""
    return heads_of(request.scope).get("user-agent", "").startswith("Swagger-Codegen")


def is_1_4(request: HTTPConnection) -> bool:
    """Whether the client is of 1.4: it reads some refusals from a document of success only."""
    return (1, 4, 0) <= version_of(request) < (1, 5, 0) or swagger(request)


def waits_by_history(request: HTTPConnection) -> bool:
    """Whether the client takes an empty ``NextToken`` of the history for the end of the job."""
    return version_of(request) >= (1, 5, 0)


def knows_bridges(request: HTTPConnection) -> bool:
    """Whether the client can read that a network is a bridge: others refuse the whole answer."""
    return not _UNKNOWN < version_of(request) < (1, 6, 4)


def names_jobs(request: HTTPConnection) -> bool:
    """Whether a name is a job's identity to the client: the same name again means the same job anew."""
    return version_of(request) >= (1, 8, 0)
