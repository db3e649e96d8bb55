"""The command `opentep`. One file per command; loading one does not load the others."""

from .main import main

__all__ = ["main"]
