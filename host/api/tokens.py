"""Who may use the REST interface, and for what.

A token is known to its bearer only: the store keeps its SHA-256, which is safe since tokens are random.
"""

import hashlib
import json
import secrets
from dataclasses import dataclass

from opentep.host.store import Store

__all__ = ["ROLES", "Token", "Tokens"]

ROLES = ("read", "admin")
"""Each may do what those before it may."""

_NOTES = "tokens/"


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass(frozen=True)
class Token:
    """A token without its secret."""

    name: str
    role: str
    digest: str

    def allows(self, role: str) -> bool:
        return ROLES.index(self.role) >= ROLES.index(role)


class Tokens:
    """Those in a store."""

    def __init__(self, store: Store):
        self._store = store

    def all(self) -> dict[str, Token]:
        """By name."""
        notes = self._store.notes(_NOTES)
        return {key.removeprefix(_NOTES): Token(**json.loads(text)) for key, text in notes.items()}

    def add(self, name: str, role: str) -> str:
        """The secret of a new token, which nobody can be told again. Raises ``ValueError`` if there is one of this
        name, or if it is empty: it is the author in the log."""
        if not name.strip():
            raise ValueError("a token needs a name, which is the author in the log; give it one")
        if name in self.all():
            raise ValueError(f"there is a token '{name}'; revoke it first")
        secret = f"otp_{secrets.token_urlsafe(32)}"
        self._store.note(_NOTES + name, json.dumps(vars(Token(name, role, _digest(secret)))))
        return secret

    def revoke(self, name: str) -> None:
        """Raises ``KeyError``."""
        if name not in self.all():
            raise KeyError(name)
        self._store.note(_NOTES + name, None)

    def find(self, secret: str) -> Token | None:
        """Compares digests, whose timing tells nothing about secrets."""
        digest = _digest(secret)
        return next(
            (token for token in self.all().values() if secrets.compare_digest(token.digest, digest)), None
        )
