"""The stored fabric over HTTP."""

from .app import create_app
from .tokens import ROLES, Token, Tokens

__all__ = ["ROLES", "Token", "Tokens", "create_app"]
