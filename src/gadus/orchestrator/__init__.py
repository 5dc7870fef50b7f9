"""Remembers jobs and acts on what `core.lifecycle` decides."""
