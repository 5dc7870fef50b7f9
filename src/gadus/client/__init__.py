"""What the command line asks with: the REST API of a server, or the same routes in this process."""

from __future__ import annotations

from .api import Api
from .transport import Document

__all__ = ["Api", "Document"]
