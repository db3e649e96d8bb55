"""How long frames may wait in a TEP that were judged by what its tables held before."""

from collections.abc import Iterable, Mapping

from opentep.gateware.params import CELL_BYTES, Params
from opentep.gateware.phy.gmii import Speed
from opentep.host.tables import TepTables

__all__ = ["drain_seconds", "longest_lists"]

_LEAST_SECONDS = 0.1
"""Also for what nobody counts: FIFOs of MACs, and the way there."""
_OCTETS_PER_CELL = 2 * CELL_BYTES
"""On the wire, at most: a full cell, 70 octets of VXLAN and IPv6 in front of it, 24 of FCS, preamble and gap."""
_BITS_PER_SECOND = {Speed.MBIT_10: 10e6, Speed.MBIT_100: 100e6, Speed.MBIT_1000: 1e9}


def longest_lists(tables: Iterable[TepTables]) -> dict[int, int]:
    """Per port, how many copies of a frame leave there at most."""
    longest: dict[int, int] = {}
    for entry in (entry for each in tables for entry in each.lists):
        for port, members in entry.members.items():
            longest[port] = max(longest.get(port, 1), len(members))
    return longest


def drain_seconds(params: Params, copies: Mapping[int, int], speeds: Mapping[int, Speed]) -> float:
    """Until every queue has been emptied of what is in it, if ``copies`` of each frame leave a port, at the speed that
    it has, 1 Gb/s where it is not known. A queue holds half of packet memory and a frame at most
    (``gateware/egress/share.py``)."""
    cells = params.cells // 2 + -(-params.max_frame // CELL_BYTES)
    return max(
        _LEAST_SECONDS,
        *(
            cells
            * _OCTETS_PER_CELL
            * 8
            * copies.get(port, 1)
            / _BITS_PER_SECOND[speeds.get(port, Speed.MBIT_1000)]
            for port in range(params.ports)
        ),
    )
