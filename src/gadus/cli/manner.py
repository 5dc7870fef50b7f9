"""How a person wants a run to look."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Manner:
    """
    What the flags of a run say. `wait_seconds` is 0 for as long as it takes.

    `follow`: also a job that does not end by itself is followed. `force`: a named job is run again though nothing changed.
    """

    wait: bool = True
    wait_seconds: int = 0
    id_only: bool = False
    quiet: bool = False
    dry_run: bool = False
    plan: bool = False
    follow: bool = False
    node_details: bool = False
    force: bool = False
    hide_warnings: bool = False
    as_json: bool = False

    @property
    def shows_output(self) -> bool:
        return not (self.id_only or self.as_json)

    @property
    def shows_progress(self) -> bool:
        return not (self.id_only or self.quiet)
