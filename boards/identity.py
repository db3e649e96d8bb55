"""The number of a build: what it is made of, in the register ``id.build``."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

__all__ = ["build_number"]

_PACKAGES = ("boards", "gateware")


def build_number(board: str, params: Mapping[str, int]) -> int:
    """First 32 bits of the SHA-256 over the sources of gateware and boards, the ``board`` and its build ``params``.

    The same tree gives the same number wherever it is, with git or without, and as an installed wheel. The versions of
    the tools are no part of it: the report beside the bitstream names them.
    """
    root = __package__.rpartition(".")[0]
    return hash_sources(
        ((package, files(f"{root}.{package}")) for package in _PACKAGES),
        {"board": board, "params": dict(params)},
    )


def hash_sources(folders: Iterable[tuple[str, Traversable]], choices: Mapping[str, object]) -> int:
    """The same for any ``folders``, each under a name that stands for it, and ``choices`` of JSON values."""
    digest = hashlib.sha256(json.dumps(choices, sort_keys=True).encode())
    for name, content in sorted(file for folder, path in folders for file in _sources(folder, path)):
        # Lengths keep files apart: nothing moves from one into the next unseen.
        digest.update(f"\n{name} {len(content)}\n".encode() + content)
    return int.from_bytes(digest.digest()[:4])


def _sources(name: str, folder: Traversable) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _sources(f"{name}/{entry.name}", entry)
        elif entry.name.endswith(".py"):
            yield f"{name}/{entry.name}", entry.read_bytes()
