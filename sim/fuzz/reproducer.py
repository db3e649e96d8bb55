"""A finding as a file that shows it again, as small as possible."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from opentep.gateware.params import Params

from .adversary import Shot
from .trial import Finding, Kind

__all__ = ["Reproducer", "ReproducerError", "minimise"]

Show = Callable[[Sequence[Shot]], Finding | None]


class ReproducerError(ValueError):
    """A file is no reproducer; the message says why."""


@dataclass(frozen=True)
class Reproducer:
    """What it takes to see a finding again. ``tables`` is the seed of :func:`~.scene.scene_of`."""

    version: str
    params: Params
    tables: int
    finding: Finding
    shots: tuple[Shot, ...]

    def save(self, path: Path) -> None:
        path.write_text(
            json.dumps(
                {
                    "version": self.version,
                    "params": asdict(self.params),
                    "tables": self.tables,
                    "kind": self.finding.kind.value,
                    "detail": self.finding.detail,
                    "shots": [
                        {"port": shot.port, "frame": shot.frame.hex(), "error": shot.error}
                        for shot in self.shots
                    ],
                },
                indent=1,
            )
            + "\n"
        )

    @classmethod
    def load(cls, path: Path) -> "Reproducer":
        """Raises :class:`ReproducerError`, OSError."""
        try:
            raw: dict[str, Any] = json.loads(path.read_text())
            return cls(
                version=raw["version"],
                params=Params(**raw["params"]),
                tables=raw["tables"],
                finding=Finding(Kind(raw["kind"]), raw["detail"]),
                shots=tuple(
                    Shot(shot["port"], bytes.fromhex(shot["frame"]), shot["error"]) for shot in raw["shots"]
                ),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ReproducerError(f"{path} is no file that `opentep fuzz` has written: {error!r}") from None


def minimise(shots: Sequence[Shot], show: Show, attempts: int = 60) -> tuple[Shot, ...]:
    """The fewest of ``shots``, in order, with which ``show`` still finds something.

    Leaves out halves, quarters and so on (delta debugging, Zeller and Hildebrandt 2002, without its complements).
    """
    kept = list(shots)
    size = len(kept) // 2
    while size and attempts:
        start = 0
        while start < len(kept) and attempts:
            fewer = kept[:start] + kept[start + size :]
            attempts -= 1
            if fewer and show(fewer) is not None:
                kept = fewer
            else:
                start += size
        size //= 2
    return tuple(kept)
