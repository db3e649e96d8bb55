"""The MAC table of a TEP: the host names keys, the gateware finds the places."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from amaranth.utils import ceil_log2
from opentep.gateware.tables.mac_entry import AGE_FRESH, MacKind, MacOp, MacStatus
from opentep.host.link.protocol import Read, Write
from opentep.host.registers import RegisterAccess, resent
from opentep.host.tables import Group, Local, MacTableEntry, Remote

__all__ = ["FoundMac", "MacAccess", "decode_place"]

_DUMP_SLOTS = 32
"""Slots to ask for at a time: on a line that loses a few replies, not much must be asked twice."""


@dataclass(frozen=True)
class FoundMac:
    """An entry as the TEP holds it."""

    entry: MacTableEntry
    port: int
    """Port that the entry leads to, also for :class:`Remote`; of no meaning for :class:`Group`."""
    is_static: bool
    scans: int
    """Ageing scans since the last frame from a learned entry; the fourth one removes it."""


class MacAccess:
    """Operations on the MAC table. Those that change it return requests, to be done in order."""

    def __init__(self, registers: RegisterAccess):
        self._params = registers.params
        self._table = registers.table("mac_requests")
        self._client = registers.client
        resource = registers.memory_map["mac_requests"]
        self._start = resource.start
        self._step = ceil_log2(resource.element.stride)

    def dump(self) -> list[FoundMac]:
        """All entries. One that moves to another slot meanwhile may be missing or come twice."""
        found: dict[tuple[int, int], FoundMac] = {}
        for start in range(0, self._params.macs, _DUMP_SLOTS):
            for response in self._responses(range(start, min(start + _DUMP_SLOTS, self._params.macs))):
                if response["status"] is MacStatus.OK:
                    found[response["tenant"], response["mac"]] = _found(response)
        return list(found.values())

    def _responses(self, slots: range) -> list[dict[str, Any]]:
        """What is in ``slots``. Where a read was done again, it may have told of a later slot than it was meant for; so
        it is asked anew, for fewer slots at a time, and in the end for one, where that cannot be."""
        words = self._table.codec.words
        outcome = Read(self._start, words, words, self._step)

        def requests() -> Iterator[Read | Write]:
            for index in slots:
                yield from self._operations([{"op": MacOp.DUMP, "index": index}])
                yield outcome

        before = resent(self._client)
        replies = self._client.execute(requests())
        if len(slots) > 1 and resent(self._client) != before:
            half = len(slots) // 2
            return self._responses(slots[:half]) + self._responses(slots[half:])
        return [self._table.codec.from_words(list(reply)) for reply in replies if reply]

    def insert(self, entries: Iterable[MacTableEntry], ports: dict[int, int]) -> Iterator[Write]:
        """Add or replace static entries. ``ports``: fabric port by TEP index."""
        return self._operations(
            {"op": MacOp.INSERT, "tenant": entry.tenant, "mac": entry.mac, "entry": _place(entry, ports)}
            for entry in entries
        )

    def delete(self, keys: Iterable[tuple[int, int]]) -> Iterator[Write]:
        """Remove entries, static or learned, by (tenant, MAC)."""
        return self._operations({"op": MacOp.DELETE, "tenant": tenant, "mac": mac} for tenant, mac in keys)

    def clear(self) -> None:
        """Remove all entries, as a change of the hash seed requires."""
        self._client.execute(self._operations([{"op": MacOp.CLEAR}]))

    def forget_refused(self) -> Iterator[Write]:
        """Count refused inserts from 0."""
        return self._operations([{"op": MacOp.CLEAR_REFUSED}])

    def refused(self) -> int:
        """Inserts that found no place since :meth:`forget_refused`."""
        return self._table.read(0)["refused"]

    def _operations(self, operations: Iterable[dict[str, Any]]) -> Iterator[Write]:
        """All entries of the table are the same door; going through them in turn makes bursts."""
        return self._table.write_requests(
            (number % len(self._table), operation) for number, operation in enumerate(operations)
        )


def _place(entry: MacTableEntry, ports: dict[int, int]) -> dict[str, Any]:
    match entry.place:
        case Local(port, vid):
            return {"kind": MacKind.LOCAL, "port": port, "id": vid}
        case Remote(tep):
            return {"kind": MacKind.REMOTE, "port": ports[tep], "id": tep}
        case Group(index):
            return {"kind": MacKind.GROUP, "id": index}


def decode_place(kind: MacKind, port: int, number: int) -> Local | Remote | Group:
    """The place of an entry with ``number`` as its ``id``."""
    match kind:
        case MacKind.LOCAL:
            return Local(port, number)
        case MacKind.REMOTE:
            return Remote(number)
        case _:
            return Group(number)


def _found(response: dict[str, Any]) -> FoundMac:
    entry = response["entry"]
    place = decode_place(entry["kind"], entry["port"], entry["id"])
    return FoundMac(
        MacTableEntry(response["tenant"], response["mac"], place),
        entry["port"],
        bool(entry["static"]),
        AGE_FRESH - entry["age"],
    )
