"""Answers to what is too big for the underlay, among all else that an agent does at its TEP."""

from opentep.host.registers import RegisterAccess
from opentep.host.tables import TepTables
from opentep.host.too_big import Limit, TooBigService

from .backoff import LOOK_SECONDS

__all__ = ["Answers"]

_SOON_SECONDS = 0.1
"""Between two looks while frames come: the TEP has room for a few at a time."""


class Answers:
    """Of one agent, through all its connections to the TEP.

    ``enabled``  otherwise nothing is answered, and the TEP not asked.
    """

    def __init__(self, enabled: bool):
        self._enabled = enabled
        self._limit = Limit()
        self._tables: TepTables | None = None
        self._service: TooBigService | None = None
        self._before = 0
        """What services that are over have answered."""

    def set_out(self, tables: TepTables) -> None:
        """The TEP is about to hold ``tables``. Whoever brings them there may want to hear other frames, and so may
        who had the host link before: the TEP is told anew which ones are wanted at the next look."""
        self._before = self._answered
        self._tables = tables
        self._service = None

    def look(self, registers: RegisterAccess) -> float:
        """Answer what has come; how many seconds until the next look."""
        if not self._enabled or self._tables is None or not self._tables.teps:
            return LOOK_SECONDS
        if self._service is None:
            self._service = TooBigService(registers, self._tables, self._limit)
        return _SOON_SECONDS if self._service.step() else LOOK_SECONDS

    def counters(self) -> dict[str, dict[str, int]]:
        """What was answered since the agent began, in the form of :meth:`opentep.host.driver.Driver.counters`."""
        return {"too_big": {"answered": self._answered}}

    @property
    def _answered(self) -> int:
        return self._before + (self._service.answered if self._service else 0)
