"""Documents that come from somewhere else: what is no answer of this API is told as that, and not as a defect of ours."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from gadus.core.errors import Unavailable

from .transport import Document

NOT_OURS = "is it the address of a Gadus server?"


class Answered(dict[str, Any]):
    """The document of an answer to `asked`; a field that is not there is the mistake of who answered."""

    def __init__(self, document: Document, asked: str) -> None:
        super().__init__(document)
        self._asked = asked

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        # How servers that are written in Go say an empty list.
        return [] if value is None and name == "Items" else value

    def __missing__(self, name: str) -> NoReturn:
        raise Unavailable(f"the answer to {self._asked} has no {name}", hint=NOT_OURS)


def document_in(text: bytes, what: str) -> Document:
    """The JSON object in `text`; of another value a document with it alone. Raises Unavailable that says `what` is no JSON."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise Unavailable(f"{what} is not JSON", hint=NOT_OURS) from exc
    return document if isinstance(document, dict) else {"Value": document}
