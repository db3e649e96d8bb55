"""Frames that are too big come in as punted frames, answers go out by injection."""

import logging

from opentep.gateware.hostport.format import Reason
from opentep.host.inject import InjectError, inject
from opentep.host.punt import PuntedFrame, Punts, Selection
from opentep.host.registers import RegisterAccess
from opentep.host.tables import TepTables

from .answers import answer, wanted
from .limit import Limit
from .room import TunnelRoom

__all__ = ["TooBigService"]

_log = logging.getLogger(__name__)


class TooBigService:
    """Answers for the TEP behind ``registers``, which holds ``tables``, from now on. It has the ring of punted frames
    until somebody else takes it.

    ``limit``  outlasts the service.
    """

    def __init__(self, registers: RegisterAccess, tables: TepTables, limit: Limit):
        params = registers.params
        self._registers = registers
        self._room = TunnelRoom(tables)
        self._limit = limit
        self._longest = params.inject_rows * params.word_bytes
        self._punts = Punts(registers)
        self._punts.select(Selection(always=frozenset((Reason(Reason.TOO_BIG),)), snap=wanted(self._longest)))
        self.answered = 0
        """How many frames."""

    def step(self) -> bool:
        """Answer what has come; whether anything has. Never waits for frames, which takes one read of a register."""
        frames = self._punts.fetch()
        for frame in frames:
            self._take(frame)
        return bool(frames)

    def _take(self, frame: PuntedFrame) -> None:
        largest = self._room.for_frame(frame.port, frame.octets)
        reply = None if largest is None else answer(frame.octets, largest, self._longest)
        if reply is None or not self._limit.allows((frame.port, reply.about)):
            return
        try:
            inject(self._registers, frame.port, reply.frame)
        except InjectError as error:  # no worse than if the line had lost it
            _log.info("an answer to a packet that is too big was lost: %s", error)
            return
        self.answered += 1
