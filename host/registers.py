"""Typed access to a TEP's registers and tables, from the declaration that also makes the gateware."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from functools import cache
from typing import Any, Protocol

from amaranth.utils import ceil_log2
from opentep.gateware.csr.codec import Codec
from opentep.gateware.csr.element import Register, Table
from opentep.gateware.csr.memory_map import MemoryMap, Resource
from opentep.gateware.params import Params
from opentep.gateware.registers import API_VERSION, MAGIC, memory_map

from .link.protocol import BURST_WORDS, REPEAT, Read, Write

__all__ = ["RegisterAccess", "RegisterClient", "TableAccess", "WrongDeviceError", "resent"]


class WrongDeviceError(Exception):
    """What answers is no TEP, or one that this software does not fit."""


class RegisterClient(Protocol):
    """Whatever carries requests to the register space: host link, PCIe, or a model."""

    def execute(self, requests: Iterable[Read | Write]) -> list[tuple[int, ...]]:
        """Do all requests in order; the words read by each (none for writes)."""
        ...


def resent(client: RegisterClient) -> int:
    """Requests that ``client`` sent again so far; those whose line loses nothing do not count any."""
    return getattr(client, "resent", 0)


def identify(client: RegisterClient) -> Params:
    """Read back what the TEP was built with. Raises :class:`WrongDeviceError`."""
    names = [field.name for field in fields(Params)]
    (words,) = client.execute([Read(0, 2 + len(names))])
    if words[0] != MAGIC:
        raise WrongDeviceError(
            f"this is no opentep device: its first word is {words[0]:#010x}, not {MAGIC:#010x}"
        )
    if words[1] != API_VERSION:
        remedy = (
            "rebuild its bitstream with this software and flash it, or use the software it was built with"
        )
        raise WrongDeviceError(
            f"the TEP's registers are of version {words[1]}, this software takes {API_VERSION}; remedy: {remedy}"
        )
    try:
        return Params(**dict(zip(names, words[2:], strict=True)))
    except ValueError as error:
        raise WrongDeviceError(f"the TEP reports impossible parameters: {error}") from None


class RegisterAccess:
    """All registers and tables of the TEP behind ``client``, by the names of ``docs/registers.md``."""

    def __init__(self, client: RegisterClient):
        self.client = client
        self.params = identify(client)
        self.memory_map: MemoryMap = memory_map(self.params)
        self._codecs: dict[str, Codec] = {}
        self._tables: dict[str, TableAccess] = {}

    def _resource(self, name: str, kind: type[Register] | type[Table]) -> Resource:
        if name not in self.memory_map or not isinstance(self.memory_map[name].element, kind):
            raise KeyError(f"this TEP has no {kind.__name__.lower()} {name!r}")
        return self.memory_map[name]

    def _register(self, name: str) -> tuple[Resource, Codec]:
        resource = self._resource(name, Register)
        if name not in self._codecs:
            self._codecs[name] = Codec(resource.element.shape)
        return resource, self._codecs[name]

    def read(self, name: str) -> Any:
        """Value of a register: an integer, or a dict if it has fields."""
        resource, codec = self._register(name)
        (words,) = self.client.execute([Read(resource.start, codec.words)])
        return codec.from_words(list(words))

    def write(self, name: str, value: Any) -> None:
        """Set a register. Fields that a dict leaves out become 0."""
        resource, codec = self._register(name)
        if not resource.element.access.writable:
            raise ValueError(f"{name} is read only")
        try:
            words = codec.to_words(value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        self.client.execute([Write(resource.start, tuple(words))])

    def table(self, name: str) -> "TableAccess":
        """Access to a table."""
        if name not in self._tables:
            self._tables[name] = TableAccess(self.client, self._resource(name, Table))
        return self._tables[name]


class TableAccess:
    """Access to one table. Entries are dicts of fields (or integers, where an entry has no fields)."""

    def __init__(self, client: RegisterClient, resource: Resource):
        if not isinstance(resource.element, Table):
            raise ValueError(f"{resource.name} is no table")
        self.name = resource.name
        self.depth = resource.element.depth
        self.codec = Codec(resource.element.shape)
        self._client = client
        self._start = resource.start
        self._element = resource.element
        self._step = ceil_log2(resource.element.stride)
        self._per_burst = BURST_WORDS // resource.element.words

    def __len__(self) -> int:
        return self.depth

    def _address(self, index: int) -> int:
        if not 0 <= index < self.depth:
            raise IndexError(f"{self.name} has entries 0 to {self.depth - 1}, not {index}")
        return self._start + (index << self._step)

    def _require(self, ability: str, able: bool) -> None:
        if not able:
            raise ValueError(f"{self.name} is not {ability}")

    def write(self, index: int, entry: Any) -> None:
        """Write one entry, atomically for frames."""
        self.write_many([(index, entry)])

    def write_many(self, entries: Iterable[tuple[int, Any]]) -> None:
        """Write entries in the order given. Neighbours, and repeated writes of one entry, share bursts."""
        self._require("writable", self._element.access.writable)
        self._client.execute(self.write_requests(entries))

    def write_requests(self, entries: Iterable[tuple[int, Any]]) -> Iterator[Write]:
        """The requests of :meth:`write_many`, for a caller that puts several tables' into one pipeline."""
        for indices, values in _bursts(((i, self._words(i, entry)) for i, entry in entries), self._per_burst):
            step = REPEAT if len(indices) > 1 and indices[0] == indices[1] else self._step
            words = tuple(word for value in values for word in value)
            yield Write(self._address(indices[0]), words, self.codec.words, step)

    def _words(self, index: int, entry: Any) -> list[int]:
        self._address(index)
        try:
            return self.codec.to_words(entry)
        except ValueError as error:
            raise ValueError(f"{self.name}[{index}]: {error}") from None

    def read(self, index: int) -> Any:
        """One entry, never torn."""
        return self.read_many([index])[0]

    def read_many(self, indices: Iterable[int] | None = None) -> list[Any]:
        """Several entries (default: all) in the order given. Equal ones, most of them empty, may be the same object."""
        self._require("readable", self._element.access.readable)
        bursts: Iterable[Sequence[int]]
        if indices is None:
            starts = range(0, self.depth, self._per_burst)
            bursts = (range(start, min(start + self._per_burst, self.depth)) for start in starts)
        else:
            bursts = (burst for burst, _ in _bursts(((i, None) for i in indices), self._per_burst))
        words = self.codec.words
        requests = []
        for burst in bursts:
            step = REPEAT if len(burst) > 1 and burst[0] == burst[1] else self._step
            self._address(burst[-1])
            requests.append(Read(self._address(burst[0]), len(burst) * words, words, step))
        from_words = cache(self.codec.from_words)
        return [
            from_words(reply[k : k + words])
            for reply in self._client.execute(requests)
            for k in range(0, len(reply), words)
        ]


def _bursts(items: Iterable[tuple[int, Any]], longest: int) -> Iterator[tuple[list[int], list[Any]]]:
    """Split items into runs of indices that all rise by one, or all stay the same."""
    indices: list[int] = []
    values: list[Any] = []
    for index, value in items:
        if indices:
            delta = index - indices[-1]
            continues = delta in (0, 1) and (len(indices) == 1 or delta == indices[1] - indices[0])
            if not continues or len(indices) == longest:
                yield indices, values
                indices, values = [], []
        indices.append(index)
        values.append(value)
    if indices:
        yield indices, values
