"""Settings of this installation: the only reader of the environment, but for the AWS credential chain with its own rules."""

from __future__ import annotations

from .reading import settings_from
from .settings import Phases, Policy, Settings

__all__ = ["Phases", "Policy", "Settings", "settings_from"]
