"""A TEP's configuration as plain register writes, for test benches that drive the register bus themselves."""

from collections.abc import Iterable

from opentep.gateware.csr.element import Register
from opentep.gateware.params import Params
from opentep.gateware.registers import memory_map
from opentep.host.driver import Driver
from opentep.host.link.protocol import REPEAT, Read, Write
from opentep.host.registers import RegisterAccess
from opentep.host.tables import TepTables

__all__ = ["configuration_words"]


class _Recorder:
    """A TEP fresh from reset, as far as a driver can tell that only writes; remembers every word in order."""

    def __init__(self, params: Params):
        self.writes: list[tuple[int, int]] = []
        self._reset = {
            resource.start + word: resource.element.reset >> 32 * word & 0xFFFFFFFF
            for resource in memory_map(params).registers
            if isinstance(resource.element, Register)
            for word in range(resource.element.words)
        }

    def execute(self, requests: Iterable[Read | Write]) -> list[tuple[int, ...]]:
        answers: list[tuple[int, ...]] = []
        for request in requests:
            count = request.count if isinstance(request, Read) else len(request.words)
            step = 0 if request.step == REPEAT else 1 << request.step
            places = [request.address + n // request.run * step + n % request.run for n in range(count)]
            if isinstance(request, Write):
                self.writes += zip(places, request.words, strict=True)
                answers.append(())
            else:
                answers.append(tuple(self._reset.get(place, 0) for place in places))
        return answers


def configuration_words(params: Params, tables: TepTables) -> list[tuple[int, int]]:
    """(word address, value) in the order in which the driver writes them to a TEP fresh from reset."""
    recorder = _Recorder(params)
    Driver(RegisterAccess(recorder), drain_seconds=0).apply(tables)
    return recorder.writes
