"""A picture of each study: how long everybody took, under each profile, as a small SVG."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib.ticker import LogLocator, NullLocator

from .peers.all import GADUS
from .results import Record, median, seconds

mpl.use("svg")
# Text stays text, and the same figures give the same file.
mpl.rcParams.update(
    {"svg.fonttype": "none", "svg.hashsalt": "gadus", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
)

OURS, THEIRS = "#1b7f79", "#7d8a88"
ROW_INCHES = 0.28


def plot(study: str, by_profile: Mapping[str, Record], into: Path) -> None:
    """Write the picture of one study to the file `into`: medians as dots, whiskers from smallest to largest."""
    from matplotlib import pyplot as plt  # noqa: PLC0415 - only after the backend was chosen

    rows = max(len(record.names) for record in by_profile.values())
    size = (4.2 * len(by_profile), 0.9 + ROW_INCHES * rows)
    figure, axes = plt.subplots(1, len(by_profile), figsize=size, squeeze=False, layout="constrained")
    for axis, (profile, record) in zip(axes[0], by_profile.items(), strict=True):
        names = record.names
        for row, name in enumerate(names):
            samples = [seconds(run) for run in record.runs(name)]
            middle = median(samples)
            whiskers = [[middle - min(samples)], [max(samples) - middle]]
            ours = GADUS.name in name or not any(GADUS.name in one for one in names)
            axis.errorbar(middle, row, xerr=whiskers, fmt="o", markersize=5, linewidth=1, color=OURS if ours else THEIRS)
            axis.annotate(f"{middle:.3g}", (max(samples), row), (6, 0), textcoords="offset points", va="center", fontsize=8)
        axis.set_yticks(range(len(names)), names)
        axis.set_ylim(len(names) - 0.5, -0.5)
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_locator(NullLocator())
        axis.margins(x=0.2)
        axis.grid(axis="x", linewidth=0.3)
        axis.set_xlabel("seconds, logarithmic")
        axis.set_title(f"{study}, {profile}", fontsize=9)
    into.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(into, metadata={"Date": None})
    plt.close(figure)
