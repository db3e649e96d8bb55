"""The exact-match tables of a TEP whose entries the host places (tenants, and sources of remote TEPs)."""

from collections.abc import Iterable, Iterator

from opentep.gateware.lookup.tables import CuckooGeometry
from opentep.host.cuckoo import CuckooPlacement, SlotWrite, TableFullError
from opentep.host.link.protocol import Write
from opentep.host.registers import RegisterAccess

__all__ = ["ExactTable"]


class _Placement(CuckooPlacement):
    """A placement that starts from what a TEP holds."""

    def adopt(self, found: Iterable[SlotWrite]) -> list[SlotWrite]:
        """Take over entries found in slots; returns writes that invalidate what is of no use.

        A key in two places is an interrupted move, one where lookups do not find it an earlier seed's.
        """
        useless = []
        for entry in found:
            place = (entry.stash, entry.index)
            if entry.key in self or not (entry.stash or place in self._slots(entry.key)):
                useless.append(SlotWrite(*place, 0, 0, valid=False))
            else:
                self._put(entry.key, place)
                self._values[entry.key] = entry.value
        return useless


class ExactTable:
    """Keys and values of one table; keys are integers.

    :meth:`read` must come first: it learns from the TEP which key is in which slot. The methods that change
    the table return requests, which the caller must have done in order.
    """

    def __init__(self, registers: RegisterAccess, name: str, geometry: CuckooGeometry):
        """``table`` is one like the TEP's: its shape is all that matters."""
        self._registers = registers
        self._slots = registers.table(f"{name}_slots")
        self._stash = registers.table(f"{name}_stash") if geometry.stash else None
        self._geometry = geometry
        self._hash = geometry.hash
        self._placement = self._new_placement(0)
        self._useless: list[SlotWrite] = []

    def _new_placement(self, seed: int) -> _Placement:
        geometry = self._geometry
        return _Placement(
            self._hash,
            geometry.buckets,
            slots=geometry.slots,
            choices=geometry.choices,
            stash=geometry.stash,
            seed=seed,
        )

    def read(self) -> dict[int, int]:
        """Values by key, as the TEP holds them."""
        found = [
            SlotWrite(stash, index, entry["key"], entry["value"])
            for stash, access in ((False, self._slots), (True, self._stash))
            if access is not None
            for index, entry in enumerate(access.read_many())
            if entry["valid"]
        ]
        self._placement = self._new_placement(self._registers.read("hash_seed"))
        self._useless = self._placement.adopt(found)
        return {entry.key: entry.value for entry in self._placement.entries()}

    def fits(self, keys: Iterable[int], seed: int) -> bool:
        """Whether an empty table takes all ``keys``, added in this order, under ``seed``."""
        placement = self._new_placement(seed)
        try:
            for key in keys:
                placement.insert(key, 0)
        except TableFullError:
            return False
        return True

    def reseed(self, seed: int) -> None:
        """Go on with another seed of the hash. Raises ``ValueError`` if the table holds anything."""
        if len(self._placement) or self._useless:
            raise ValueError("a table that holds entries cannot change its seed")
        self._placement = self._new_placement(seed)

    def tidy(self) -> Iterator[Write]:
        """Invalidate entries that no lookup needs."""
        useless, self._useless = self._useless, []
        return self._requests(useless)

    def put(self, key: int, value: int) -> Iterator[Write]:
        """Add a key or change its value; whoever looks up others finds them at every instant.

        Raises :class:`opentep.host.cuckoo.TableFullError`.
        """
        return self._requests(self._placement.insert(key, value))

    def remove(self, key: int) -> Iterator[Write]:
        """Remove a key."""
        return self._requests(self._placement.remove(key))

    def _requests(self, writes: Iterable[SlotWrite]) -> Iterator[Write]:
        for write in writes:
            table = self._stash if self._stash is not None and write.stash else self._slots
            entry = {"valid": int(write.valid), "key": write.key, "value": write.value}
            yield from table.write_requests([(write.index, entry)])
