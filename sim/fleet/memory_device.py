"""A TEP's register space in memory, without frames: what a driver sees of a TEP."""

from collections.abc import Callable, Iterable, Iterator

from opentep.gateware.csr.codec import Codec
from opentep.gateware.csr.element import Register
from opentep.gateware.params import Params
from opentep.gateware.registers import memory_map
from opentep.gateware.tables.mac_entry import AGE_FRESH, MacOp, MacStatus
from opentep.host.link.protocol import REPEAT, Read, Write

__all__ = ["MemoryDevice"]


class MemoryDevice:
    """A :class:`~opentep.host.registers.RegisterClient` over plain words.

    ``changes``  number of requests that wrote something.
    ``after``    called after each of them.
    """

    def __init__(self, params: Params):
        self.params = params
        self.memory_map = memory_map(params)
        self.words: dict[int, int] = {}
        """Those that are not 0, and those that were written."""
        self.changes = 0
        self.after: Callable[[Write], None] = lambda request: None
        self._mac = self.memory_map["mac_requests"]
        self._codec = Codec(self._mac.element.shape)
        self._outcome = [0] * 4
        self.macs: dict[tuple[int, int], dict] = {}
        self.slots: list[tuple[int, int] | None] = [None] * params.macs
        self.refused = 0
        for resource in self.memory_map.registers:
            assert isinstance(resource.element, Register)
            for k in range(resource.element.words):
                word = resource.element.reset >> 32 * k & 0xFFFFFFFF
                if word:
                    self.words[resource.start + k] = word

    def execute(self, requests: Iterable[Read | Write]) -> list[tuple[int, ...]]:
        results = []
        for request in requests:
            if isinstance(request, Read):
                results.append(tuple(self._load(address) for address in _addresses(request, request.count)))
                continue
            for address, word in zip(_addresses(request, len(request.words)), request.words, strict=True):
                self._store(address, word)
            results.append(())
            if not self._only_looks(request):
                self.changes += 1
                self.after(request)
        return results

    def _only_looks(self, request: Write) -> bool:
        if not self._mac.start <= request.address < self._mac.end:
            return False
        return self._codec.from_words(list(request.words[:4]))["op"] is MacOp.DUMP

    def _load(self, address: int) -> int:
        door = self._mac.start <= address < self._mac.end
        return self._outcome[(address - self._mac.start) % 4] if door else self.words.get(address, 0)

    def _store(self, address: int, word: int) -> None:
        self.words[address] = word
        if self._mac.start <= address < self._mac.end and (address - self._mac.start) % 4 == 3:
            self._operate([self.words[address - 3 + k] for k in range(4)])

    def _operate(self, words: list[int]) -> None:
        """What the MAC table does for the host; entries keep their slots."""
        request = self._codec.from_words(words)
        key = (request["tenant"], request["mac"])
        outcome = {"status": MacStatus.OK, "tenant": key[0], "mac": key[1], "entry": {}}
        match request["op"]:
            case MacOp.INSERT:
                if key in self.macs or None in self.slots:
                    if key not in self.macs:
                        self.slots[self.slots.index(None)] = key
                    self.macs[key] = {**request["entry"], "static": 1, "age": AGE_FRESH}
                else:
                    self.refused += 1
                    outcome["status"] = MacStatus.REFUSED
            case MacOp.DELETE:
                if self.macs.pop(key, None) is None:
                    outcome["status"] = MacStatus.NOT_FOUND
                else:
                    self.slots[self.slots.index(key)] = None
            case MacOp.DUMP:
                found = self.slots[request["index"]]
                if found is None:
                    outcome["status"] = MacStatus.NOT_FOUND
                else:
                    outcome |= {"tenant": found[0], "mac": found[1], "entry": self.macs[found]}
            case MacOp.CLEAR:
                self.macs.clear()
                self.slots = [None] * self.params.macs
            case MacOp.CLEAR_REFUSED:
                self.refused = 0
            case other:
                raise AssertionError(f"the driver does not use {other}")
        self._outcome = self._codec.to_words({**outcome, "refused": self.refused})

    def learn(self, tenant: int, mac: int, entry: dict) -> None:
        """An entry as the gateware would learn it."""
        self.slots[self.slots.index(None)] = (tenant, mac)
        self.macs[tenant, mac] = {"static": 0, "age": AGE_FRESH, **entry}


def _addresses(request: Read | Write, count: int) -> Iterator[int]:
    step = 0 if request.step == REPEAT else 1 << request.step
    for k in range(count):
        yield request.address + k // request.run * step + k % request.run
