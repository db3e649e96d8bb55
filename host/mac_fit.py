"""Whether a MAC table takes all entries under a seed: what its engine would do.

The engine goes from entry to entry in search of one that can move. Under a few of a hundred seeds addresses in a row,
of tenants in a row, share so few slots that a table that is 90 % full has no room for some.
"""

from collections.abc import Iterable

from amaranth.utils import exact_log2
from opentep.gateware.params import Params
from opentep.gateware.tables.mac_entry import WAYS, bucket, mac_hash
from opentep.gateware.tables.mac_steps import MAX_STEPS, walk_way
from opentep.host.tables import MacTableEntry

__all__ = ["macs_fit"]

_WALK = [walk_way([step >> bit & 1 for bit in range(exact_log2(MAX_STEPS))]) for step in range(MAX_STEPS)]
"""The way of each step."""

_Slots = tuple[tuple[int, int], ...]


def _slots(params: Params, entry: MacTableEntry, seed: int) -> _Slots:
    """Of an entry: (way, bucket), by way."""
    function = mac_hash(params)
    key = entry.tenant << 48 | entry.mac
    indices = [function.index(key, seed, choice) for choice in range(function.choices)]
    return tuple((way, bucket(params, indices, way)) for way in range(WAYS))


def _insert(table: dict[tuple[int, int], _Slots], new: _Slots) -> bool:
    """Entries are known by their slots."""
    while True:
        hand = new
        for step in range(MAX_STEPS):
            if step:
                taken = hand[_WALK[step]]
                hand = table[taken]
            free = next((slot for slot in hand if slot not in table), None)
            if free is not None:
                break
        else:
            return False
        table[free] = hand
        if hand is new:
            return True
        del table[taken]


def macs_fit(params: Params, entries: Iterable[MacTableEntry], seed: int) -> bool:
    """Whether an empty table takes all ``entries``, added in this order, under ``seed``."""
    table: dict[tuple[int, int], _Slots] = {}
    return all(_insert(table, _slots(params, entry, seed)) for entry in entries)
