"""What tests of the host share: a TEP's register space in memory, without frames, and real stores."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import settings
from opentep.gateware.csr.codec import Codec
from opentep.gateware.csr.element import Register
from opentep.gateware.params import Params
from opentep.gateware.registers import memory_map
from opentep.gateware.tables.mac_entry import AGE_FRESH, MacOp, MacStatus
from opentep.host.link.protocol import REPEAT, Read, Write
from opentep.host.store import open_store

from .etcd_server import Etcd
from .vtep.controller import IS_INSTALLED, Vtep

# A busy machine is no failure.
settings.register_profile("host", deadline=None, max_examples=60)
settings.load_profile("host")


class MemoryDevice:
    """A :class:`~opentep.host.registers.RegisterClient` over plain words.

    ``changes``  number of requests that wrote something.
    ``after``    called after each of them.
    """

    def __init__(self, params: Params):
        self.params = params
        self.memory_map = memory_map(params)
        self.words: dict[int, int] = {}
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
                self.words[resource.start + k] = resource.element.reset >> 32 * k & 0xFFFFFFFF

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


@pytest.fixture
def memory_device() -> type[MemoryDevice]:
    return MemoryDevice


@pytest.fixture(scope="session")
def etcd(tmp_path_factory) -> Iterator[Etcd]:
    server = Etcd(tmp_path_factory.mktemp("etcd"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=["sqlite", "etcd"])
def location(request, tmp_path) -> str:
    """Where a new store is to be."""
    if request.param == "sqlite":
        return str(tmp_path / "fabric.db")
    port = request.getfixturevalue("etcd").port
    return f"etcd://127.0.0.1:{port}/{tmp_path.name}-{tmp_path.parent.name}"


@pytest.fixture
def store(location):
    with closing(open_store(location)) as opened:
        yield opened


@pytest.fixture
def vtep(tmp_path: Path) -> Iterator[Vtep]:
    if not IS_INSTALLED:
        pytest.skip("Debian's openvswitch-vtep is not installed")
    instance = Vtep(tmp_path)
    try:
        yield instance
    finally:
        instance.kill()
