"""The fabric in a store: what it shall be, what was allocated for it, and who changed what."""

from .changes import Change
from .conflict import ConflictError
from .history import Entry
from .migration import Migration
from .repository import Repository, Share

__all__ = ["Change", "ConflictError", "Entry", "Migration", "Repository", "Share"]
