"""Makes the parts of other rooms importable, for the tests here and for the scripts that are started by hand."""

from __future__ import annotations

import sys
from pathlib import Path

_TESTS = Path(__file__).parents[1]

for room in (_TESTS, _TESTS / "engines", _TESTS / "web"):
    if str(room) not in sys.path:
        sys.path.append(str(room))
