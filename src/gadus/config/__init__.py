"""Settings of this installation: the only reader of the environment, but for the AWS credential chain with its own rules."""

from __future__ import annotations

from .client import ClientSettings, client_settings
from .profiles import Profile, Profiles
from .reading import settings_from
from .settings import Phases, Policy, Settings

__all__ = ["ClientSettings", "Phases", "Policy", "Profile", "Profiles", "Settings", "client_settings", "settings_from"]
