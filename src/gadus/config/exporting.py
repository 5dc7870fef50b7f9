"""The environment of another process of ours."""

from __future__ import annotations

import os
from collections.abc import Mapping

from .keys import OURS, THEIRS


def environment_with(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment of this process without any setting of Gadus, and with `variables`."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith((OURS, THEIRS))}
    return kept | dict(variables)
