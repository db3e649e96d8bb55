"""Frames of somebody who knows the tables and wants into another tenant, or to stop the TEP."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from opentep.host.tables import Local, TepTables

from ..model.octets import mac_octets
from ..packets import options, routing
from ..traffic import Traffic
from .captured import LONGEST, Captured

__all__ = ["Adversary", "Shot"]

_INNER_OFFSETS = (54, 56, 62, 70, 78)
"""Where the addresses of a tunnelled frame are in the encapsulations, and behind a short extension header."""
_NETWORK_OFFSETS = (51, 58, 66)
"""Of a SID's function, a VSID and a VNI."""
_NEXT_HEADERS = (143, 97, 47, 17, 43, 60, 58, 0, 41, 44, 59, 255)
_MUTATION = 0.3
"""Share of traffic that is damaged."""
_FROM_CAPTURES = 0.4
"""Share of traffic that is from captures, if there are any."""
_SWEPT = 200
"""Longest frame that is cut at every octet."""


@dataclass(frozen=True)
class Shot:
    """A frame that enters ``port``; with ``error`` its FCS is bad."""

    port: int
    frame: bytes
    error: bool = False


class Adversary:
    """An endless source of shots at one TEP, all drawn from ``rng``: ordinary and damaged traffic of
    :class:`~..traffic.Traffic`, forgeries made of what is in the tables, and frames cut at every octet."""

    def __init__(
        self,
        tables: TepTables,
        rng: random.Random,
        *,
        longest: int = LONGEST,
        captured: Sequence[bytes] = (),
    ):
        """Of the ``captured`` frames, if there are any, some are mixed in."""
        self.rng = rng
        self._traffic = [
            Traffic(tables, rng, port, mutation=_MUTATION, longest=longest)
            for port in range(len(tables.ports))
        ]
        self._captured = Captured(captured, rng, longest, _MUTATION) if captured else None
        self._is_fabric = [port.role == "fabric" for port in tables.ports]
        self._macs = [entry.mac for entry in tables.macs] or [0x020000000001]
        self._vids = [entry.place.vid for entry in tables.macs if isinstance(entry.place, Local)]
        self._vids += [tenant.vlan or 1 for tenant in tables.tenants]
        self._addresses = [source for tep in tables.teps for source in tep.sources] + [tables.address]
        self._networks = [tenant.network for tenant in tables.tenants]
        self._sweeps: list[Iterator[bytes]] = [iter(()) for _ in tables.ports]

    def shot(self) -> Shot:
        rng = self.rng
        port = rng.randrange(len(self._traffic))
        swept = next(self._sweeps[port], None)
        if swept is not None:
            return Shot(port, swept)
        frame = self._traffic[port].frame()
        if self._captured is not None and rng.random() < _FROM_CAPTURES:
            frame = self._captured.frame(frame, self._is_fabric[port])
        kind = rng.random()
        if kind < 0.01 and len(frame) <= _SWEPT:
            self._sweeps[port] = (frame[:size] for size in range(1, len(frame)))
        elif kind < 0.5:
            forgeries = _FABRIC_FORGERIES if self._is_fabric[port] else _ACCESS_FORGERIES
            for _ in range(rng.choice((1, 1, 1, 2))):
                frame = rng.choice(forgeries)(self, frame)
        return Shot(port, frame, error=rng.random() < 0.02)

    def _put(self, frame: bytes, offset: int, octets: bytes) -> bytes:
        return (frame[:offset] + octets + frame[offset + len(octets) :])[: max(len(frame), 60)]

    def _some_mac(self) -> bytes:
        return mac_octets(self.rng.choice(self._macs))

    def _forge_mac(self, frame: bytes) -> bytes:
        return self._put(frame, self.rng.choice((0, 6)), self._some_mac())

    def _forge_tag(self, frame: bytes) -> bytes:
        return self._put(frame, 12, b"\x81\x00" + self.rng.choice(self._vids).to_bytes(2, "big"))

    def _flip_tag(self, frame: bytes) -> bytes:
        """One wrong bit in what stands in the place of the VLAN ID."""
        control = int.from_bytes(frame[14:16], "big") ^ 1 << self.rng.randrange(12)
        return self._put(frame, 14, control.to_bytes(2, "big"))

    def _forge_inner(self, frame: bytes) -> bytes:
        return self._put(frame, self.rng.choice(_INNER_OFFSETS) + self.rng.choice((0, 6)), self._some_mac())

    def _forge_source(self, frame: bytes) -> bytes:
        address = self.rng.choice(self._addresses)
        if self.rng.random() < 0.3:
            address ^= 1 << self.rng.randrange(128)
        return self._put(frame, 22, address.to_bytes(16, "big"))

    def _forge_network(self, frame: bytes) -> bytes:
        network = self.rng.choice(self._networks)
        if self.rng.random() < 0.3:
            network ^= 1 << self.rng.randrange(24)
        return self._put(frame, self.rng.choice(_NETWORK_OFFSETS), network.to_bytes(3, "big"))

    def _forge_next_header(self, frame: bytes) -> bytes:
        return self._put(frame, 20, bytes((self.rng.choice(_NEXT_HEADERS),)))

    def _extend(self, frame: bytes) -> bytes:
        """An extension header in front of whatever the packet has, with the length corrected or not."""
        rng = self.rng
        if len(frame) < 54:
            return frame
        if rng.random() < 0.5:
            kind, header = 60, options(frame[20], 8 * rng.choice((1, 2, 6, 7, 8)))
        else:
            data = rng.randbytes(4 + 8 * rng.randrange(4))
            kind, header = 43, routing(frame[20], rng.randrange(256), rng.choice((0, 0, 1)), data)
        length = int.from_bytes(frame[18:20], "big") + (len(header) if rng.random() < 0.8 else 0)
        longer = frame[:54] + header + frame[54:]
        return self._put(self._put(longer, 20, bytes((kind,))), 18, (length & 0xFFFF).to_bytes(2, "big"))

    def _wrong_length(self, frame: bytes) -> bytes:
        length = int.from_bytes(frame[18:20], "big") + self.rng.choice((-20, -14, -8, -2, -1, 1, 2, 64))
        return self._put(frame, 18, (length & 0xFFFF).to_bytes(2, "big"))

    def _splice(self, frame: bytes) -> bytes:
        other = self.rng.choice(self._traffic).frame()
        cut = self.rng.randrange(min(len(frame), 120))
        return frame[:cut] + other[self.rng.choice((cut, self.rng.randrange(len(other)))) :]


_Forgery = Callable[[Adversary, bytes], bytes]
_ACCESS_FORGERIES: tuple[_Forgery, ...] = (
    Adversary._forge_mac,
    Adversary._forge_tag,
    Adversary._flip_tag,
    Adversary._splice,
)
_FABRIC_FORGERIES: tuple[_Forgery, ...] = (
    Adversary._forge_inner,
    Adversary._forge_inner,
    Adversary._forge_source,
    Adversary._forge_network,
    Adversary._forge_next_header,
    Adversary._extend,
    Adversary._wrong_length,
    Adversary._splice,
)
