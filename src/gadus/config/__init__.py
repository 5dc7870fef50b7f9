"""Settings of this installation: the only reader of the environment, but for the AWS credential chain with its own rules."""

from __future__ import annotations

from .client import ClientSettings, client_settings
from .profiles import Profile, Profiles
from .reading import settings_from
from .said import Said
from .settings import Phases, Policy, Settings, Watch
from .sources import client_words, is_setting

__all__ = [
    "ClientSettings",
    "Phases",
    "Policy",
    "Profile",
    "Profiles",
    "Said",
    "Settings",
    "Watch",
    "client_settings",
    "client_words",
    "is_setting",
    "settings_from",
]
