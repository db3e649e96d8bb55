"""Where the entries of a cuckoo table go: the host's side of
:class:`opentep.gateware.tables.cuckoo.CuckooTable` and :class:`opentep.gateware.tables.halved.HalvedTable`.

The host keeps the content of the table and computes, for each change, the slot writes that make it. An
entry that must move is first copied and only then overwritten, so that whoever looks up a key that is not
being changed finds it at every instant.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from ..gateware.tables.halved import FoldedHash
from ..gateware.tables.hash import HashFunction

__all__ = ["CuckooPlacement", "SlotWrite", "TableFullError"]


class TableFullError(Exception):
    """No place was found for a key; the table is unchanged."""


@dataclass(frozen=True)
class SlotWrite:
    """One write of one entry. The order of writes matters."""

    stash: bool
    """Whether ``index`` counts entries of the stash or slots."""
    index: int
    key: int
    value: int
    valid: bool = True


_Place = tuple[bool, int]


class CuckooPlacement:
    """Content of one cuckoo table.

    ``hash`` and ``seed`` are those of the gateware. With another seed everything is somewhere
    else: build a new placement.
    """

    def __init__(
        self,
        hash: HashFunction | FoldedHash,
        buckets: int,
        *,
        slots: int = 2,
        choices: int = 2,
        stash: int = 4,
        seed: int = 0,
    ):
        if buckets < 2 or buckets & (buckets - 1):
            raise ValueError(f"buckets must be a power of two, not {buckets}")
        if not 0 <= seed < 1 << 64:
            raise ValueError(f"seed must have 64 bits, not {seed:#x}")
        self.buckets = buckets
        self.slots = slots
        self.choices = choices
        self.stash = stash
        self.seed = seed
        self.hash = hash
        self._keys: dict[_Place, int] = {}
        self._places: dict[int, _Place] = {}
        self._values: dict[int, int] = {}
        self._slots_of: dict[int, list[_Place]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: int) -> bool:
        return key in self._places

    @property
    def capacity(self) -> int:
        """Slots and stash entries in all. A table fills to some 88 % (2 choices of 2
        slots) before it is full."""
        return self.choices * self.buckets * self.slots + self.stash

    def lookup(self, key: int) -> int | None:
        """The value of ``key``, None if the table does not hold it."""
        return self._values.get(key)

    def entries(self) -> Iterator[SlotWrite]:
        """Writes that load the whole content into a cleared table."""
        for place, key in sorted(self._keys.items()):
            yield SlotWrite(*place, key, self._values[key])

    def insert(self, key: int, value: int) -> list[SlotWrite]:
        """Add ``key`` or change its value. Returns the writes, in order.

        Raises :class:`TableFullError` and changes nothing if there is no place.
        """
        if key in self._places:
            self._values[key] = value
            return [SlotWrite(*self._places[key], key, value)]
        path = self._free_path(key)
        self._values[key] = value
        writes = []
        # The last place is free; each move frees the one before it.
        for source, target in zip(reversed(path[:-1]), reversed(path[1:]), strict=True):
            moved = self._keys[source]
            self._put(moved, target)
            writes.append(SlotWrite(*target, moved, self._values[moved]))
        self._put(key, path[0])
        writes.append(SlotWrite(*path[0], key, value))
        return writes

    def remove(self, key: int) -> list[SlotWrite]:
        """Remove ``key``; raises KeyError if the table does not hold it. Returns the writes, in order.

        An entry of the stash moves to the slot that becomes free, if that is one of its own.
        """
        place = self._places.pop(key)
        del self._keys[place]
        del self._values[key]
        del self._slots_of[key]
        if not place[0]:
            for entry in range(self.stash):
                stashed = self._keys.get((True, entry))
                if stashed is not None and place in self._slots(stashed):
                    del self._keys[True, entry]
                    self._put(stashed, place)
                    return [
                        SlotWrite(*place, stashed, self._values[stashed]),
                        SlotWrite(True, entry, 0, 0, valid=False),
                    ]
        return [SlotWrite(*place, 0, 0, valid=False)]

    def _put(self, key: int, place: _Place) -> None:
        self._keys[place] = key
        self._places[key] = place
        self._slots_of[key] = self._slots(key)

    def _slots(self, key: int) -> list[_Place]:
        """All slots that may hold ``key``; those of keys in the table are remembered."""
        if key in self._slots_of:
            return self._slots_of[key]
        result = []
        for choice in range(self.choices):
            bucket = choice * self.buckets + self.hash.index(key, self.seed, choice)
            result += [(False, bucket * self.slots + slot) for slot in range(self.slots)]
        return result

    def _free_path(self, key: int) -> list[_Place]:
        """Shortest chain of places for ``key``, for what is there, and so on; the last one is free."""
        came_from: dict[_Place, _Place | None] = dict.fromkeys(self._slots(key))
        queue = deque(came_from)
        while queue:
            place = queue.popleft()
            occupant = self._keys.get(place)
            if occupant is None:
                path = []
                step: _Place | None = place
                while step is not None:
                    path.append(step)
                    step = came_from[step]
                return path[::-1]
            for alternative in self._slots(occupant):
                if alternative not in came_from:
                    came_from[alternative] = place
                    queue.append(alternative)
        for entry in range(self.stash):
            if (True, entry) not in self._keys:
                return [(True, entry)]
        raise TableFullError(
            f"no place for key {key:#x}: {len(self)} of {self.capacity} places of the table are in use"
        )
