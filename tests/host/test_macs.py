"""The MAC table as the host reads it."""

import random
from collections.abc import Iterable

import pytest
from opentep.gateware.params import Params
from opentep.host.link.protocol import WINDOW, Read, Write
from opentep.host.link.shadow import ShadowClient
from opentep.host.macs import MacAccess
from opentep.host.registers import RegisterAccess
from opentep.host.tables import Local, MacTableEntry

PARAMS = Params(macs=64, tenants=16, lists=16, members=64, teps=16, rules=16)


class LossyLine:
    """In front of a device: a read whose reply is lost is done again, after what was sent behind it."""

    def __init__(self, device, odds: float):
        self._device = device
        self._rng = random.Random(1)
        self._odds = odds
        self.resent = 0

    def execute(self, requests: Iterable[Read | Write]) -> list[tuple[int, ...]]:
        requests = list(requests)
        results: list[tuple[int, ...]] = []
        lost: dict[int, list[int]] = {}
        for number, request in enumerate(requests):
            results += self._device.execute([request])
            if isinstance(request, Read) and self._rng.random() < self._odds:
                self.resent += 1
                lost.setdefault(min(number + WINDOW - 1, len(requests) - 1), []).append(number)
            for again in lost.get(number, ()):
                (results[again],) = self._device.execute([requests[again]])
        return results


@pytest.mark.parametrize("odds", [0, 0.01, 0.1, 1])
@pytest.mark.parametrize("shadowed", [False, True])
def test_all_entries_are_found_whatever_replies_are_lost(memory_device, odds: float, shadowed: bool) -> None:
    entries = [MacTableEntry(0, 0x120001000000 | n, Local(0, 2 + n)) for n in range(0, PARAMS.macs, 2)]
    device = memory_device(PARAMS)
    device.execute(MacAccess(RegisterAccess(device)).insert(entries, {}))
    line = LossyLine(device, odds)
    macs = MacAccess(RegisterAccess(ShadowClient(line) if shadowed else line))
    for _ in range(10):
        assert [found.entry for found in macs.dump()] == entries
    assert bool(line.resent) == bool(odds)
