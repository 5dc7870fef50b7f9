"""Every study, in the order in which they are made: those that change the data of a workload come last."""

from __future__ import annotations

from .at_once import at_once
from .changed import change
from .comparison import compare
from .killed import continue_killed
from .study import Study
from .verified import verify
from .warm import warm

PROFILES = ("raw", "s3like")

STUDIES = (
    Study("W1", "W1", "", PROFILES, compare),
    Study("W7.W1", "W1", "verified by SHA-256", ["raw"], verify),
    Study("W8.W1", "W1", "again, warm", ["raw"], warm),
    Study("W14", "W1", "killed at half of the bytes, continued", PROFILES, continue_killed),
    Study("W2", "W2", "", PROFILES, compare),
    Study("W9", "W2", "by eight jobs at once, cold and warm", PROFILES, at_once),
    Study("W3", "W3", "", PROFILES, compare),
    Study("W7.W3", "W3", "verified by SHA-256", ["raw"], verify),
    Study("W4", "W4", "", PROFILES, compare),
    Study("W8.W4", "W4", "again, warm", ["raw"], warm),
    Study("W13", "W4", "one key in a hundred changed", ["raw"], change),
    Study("W5", "W5", "", ["raw"], compare),
)
