"""Random and adversarial traffic for one TEP: what comes out must not depend on who implements it."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from operator import or_

from opentep.gateware.headers import OUTER_BYTES
from opentep.gateware.storm.limit import TICKS_PER_SECOND
from opentep.host.tables import Local, MacTableEntry, Remote, TepTables

from .model.octets import mac_octets
from .packets import (
    arp,
    echo_request,
    ethernet,
    ipv6,
    neighbour_solicitation,
    random_encapsulation,
    random_payload,
    solicited_node,
    tag,
    to_group,
    tunnel,
)
from .random_tables import Learning, random_tables
from .wire import GIGABIT, OVERHEAD, Lane, pad

__all__ = ["Aside", "Event", "Learning", "Traffic", "mutate", "random_tables", "schedule"]

_LINK_LOCAL = 0x0180C2000000
_REQUESTS = 0.4
"""Share of ARP and ND among the frames from servers, where there are addresses to ask for."""
_BROADCAST = 0xFFFFFFFFFFFF


class Traffic:
    """Frames for one port of a TEP, one per call of :meth:`frame`, all drawn from ``rng``.

    ``mutation`` is the share of frames that are damaged or forged after they were made. ``longest`` bounds
    their length in octets without FCS.
    """

    def __init__(
        self, tables: TepTables, rng: random.Random, port: int, *, mutation: float = 0.3, longest: int = 9014
    ):
        if not 0 <= port < len(tables.ports):
            raise ValueError(f"port must be from 0 to {len(tables.ports) - 1}, not {port}")
        self.tables = tables
        self.rng = rng
        self.port = port
        self.mutation = mutation
        self.longest = longest
        self._vms = [m for m in tables.macs if isinstance(m.place, Local)]
        self._here = [m for m in self._vms if isinstance(m.place, Local) and m.place.port == port]
        self._far = [m for m in tables.macs if isinstance(m.place, Remote)]
        self._groups = [m for m in tables.macs if m.mac >> 40 & 1]
        self._ouis = {tenant.index: tenant.ouis for tenant in tables.tenants}
        self._block_bits = reduce(or_, (mask.mac for mask in tables.key_masks)) & 0xFFFFFF
        self._blocks = {tenant.index: tenant.block for tenant in tables.tenants}
        self._vlans = {tenant.index: tenant.vlan for tenant in tables.tenants}
        self._networks = {tenant.index: tenant.network for tenant in tables.tenants}
        learns = any(tenant.learn_source or tenant.learn_remote for tenant in tables.tenants)
        self._strangers = 0.5 if learns else 0.12
        """Share of senders that the tables do not name."""
        self._to_strangers = 0.5 if learns else 0.0
        """Among destinations that they do not name, share of those that may be such senders."""

    def __iter__(self) -> Iterator[bytes]:
        while True:
            yield self.frame()

    def frame(self) -> bytes:
        """The next frame, at least 60 octets long."""
        fabric = self.tables.ports[self.port].role == "fabric"
        octets = self._from_fabric() if fabric else self._from_access()
        if self.rng.random() < self.mutation:
            octets = mutate(self.rng, octets)
        return pad(octets[: self.longest])

    def _from_access(self) -> bytes:
        rng = self.rng
        if not self._here or rng.random() < self._strangers:
            sender = self._stranger()
            # Mostly each in a VLAN of its own, so that tenants that learn also meet their learned addresses.
            vid = self._vid(sender) if rng.random() < 0.8 else rng.randrange(4096)
        else:
            entry = rng.choice(self._here)
            assert isinstance(entry.place, Local)
            sender, vid = entry, entry.place.vid
            retag = self.tables.ports[self.port].retag
            if retag is not None and rng.random() < 0.5:
                vid = retag.other(vid)
            if rng.random() < 0.1:
                # A forged tag or a forged address: the source guard must stop both.
                other = rng.choice(self._vms)
                assert isinstance(other.place, Local)
                sender, vid = (sender, other.place.vid) if rng.random() < 0.5 else (other, vid)
        if self.tables.known and rng.random() < _REQUESTS:
            frame = self._request(sender)
        else:
            frame = self._ethernet(sender.mac, self._destination(sender))
        if vid == self.tables.ports[self.port].native_vid and rng.random() < 0.7:
            return frame if rng.random() < 0.7 else tag(frame, 0, rng.getrandbits(4))
        return tag(frame, vid, rng.getrandbits(4))

    def _request(self, sender: MacTableEntry) -> bytes:
        """ARP or a neighbour solicitation, mostly for an address that somebody has, mostly as it should be."""
        rng = self.rng
        known = rng.choice(self.tables.known)
        own = [other for other in self.tables.known if other.tenant == sender.tenant]
        if own and rng.random() < 0.7:
            known = rng.choice(own)
        target = known.address if rng.random() < 0.8 else known.address ^ 1 << rng.randrange(8)
        asker = rng.choice((target, 0)) if rng.random() < 0.2 else target ^ rng.randrange(1, 1 << 16)
        src_mac = sender.mac if rng.random() < 0.95 else self._mac()
        if known.version == 4:
            operation = 1 if rng.random() < 0.85 else rng.choice((0, 2, 3, 0x101))
            dst = _BROADCAST if rng.random() < 0.9 else self._destination(sender)
            packet = arp(operation, src_mac, asker, 0, target)
            return ethernet(dst, sender.mac, 0x0806 if rng.random() < 0.97 else 0x8035, packet)
        group = solicited_node(target)
        dst = 0x333300000000 | group & 0xFFFFFFFF if rng.random() < 0.9 else self._destination(sender)
        # Nonces (RFC 3971, 5.3.2), options that are cut off, and one without a length.
        options = rng.choice(
            (b"\x0e\1" + rng.randbytes(6), b"\x0e\2" + rng.randbytes(rng.choice((6, 14))), bytes(8))
        )
        packet = neighbour_solicitation(
            *(asker if rng.random() < 0.97 else 0xFF02 << 112 | 1, group, target),
            src_mac if rng.random() < 0.9 else None,
            hop_limit=255 if rng.random() < 0.95 else 64,
            options=options * rng.choice((1, 1, 3)) if rng.random() < 0.3 else b"",
        )
        return ethernet(dst, sender.mac, 0x86DD, packet)

    def _from_fabric(self) -> bytes:
        rng = self.rng
        kind = rng.random()
        if kind < 0.08:
            return self._solicitation()
        if kind < 0.16:
            return self._echo()
        own = self.tables.ports[self.port].mac
        if kind < 0.2:
            payload = ipv6(rng.getrandbits(128), self.tables.address, rng.randrange(256), rng.randbytes(40))
            return ethernet(own, self._mac(), 0x86DD, payload)
        sender = rng.choice(self._far) if self._far and rng.random() >= self._strangers else self._stranger()
        sources = [source for tep in self.tables.teps for source in tep.sources]
        if isinstance(sender.place, Remote) and rng.random() < 0.9:
            index = sender.place.tep
            sources = [source for tep in self.tables.teps if tep.index == index for source in tep.sources]
        inner = self._ethernet(sender.mac, self._tunnelled_destination(sender), overhead=54)
        # Linux sends short inner frames as they are; a TEP that had to pad sends them padded.
        inner = inner if rng.random() < 0.5 else pad(inner)
        network = self._networks.get(sender.tenant, 0)
        if rng.random() < 0.1:
            network = rng.choice((*self._networks.values(), rng.getrandbits(24)))
        header, payload = random_encapsulation(rng, inner, network)
        own_mac, own_address = self._tunnel_end()
        return tunnel(
            own_mac,
            self._mac(),
            rng.choice(sources) if sources and rng.random() < 0.95 else rng.getrandbits(128),
            own_address,
            payload,
            next_header=header,
            flow=rng.getrandbits(20),
            traffic_class=rng.getrandbits(8),
            hop_limit=rng.randrange(1, 256),
        )

    def _tunnel_end(self) -> tuple[int, int]:
        """MAC and IPv6 address that a packet is sent to: the TEP's own, or a group's that it listens to; or that of
        another group."""
        rng, tables = self.rng, self.tables
        if rng.random() < 0.8:
            return tables.ports[self.port].mac, tables.address
        address = tables.group_prefix | rng.getrandbits(32)
        if not tables.group_prefix or rng.random() < 0.1:
            address ^= 0xFF << 120 | 1 << rng.randrange(32, 120)
        return 0x333300000000 | address & 0xFFFFFFFF, address

    def _solicitation(self) -> bytes:
        rng, own = self.rng, self.tables.address
        src = 0 if rng.random() < 0.2 else rng.getrandbits(128)
        target = own if rng.random() < 0.8 else own ^ 1 << rng.randrange(128)
        dst = rng.choice((own, solicited_node(own), solicited_node(target), rng.getrandbits(128)))
        dst_mac = (
            self.tables.ports[self.port].mac if rng.random() < 0.3 else 0x333300000000 | dst & 0xFFFFFFFF
        )
        packet = neighbour_solicitation(
            *(src, dst, target, self._mac() if rng.random() < 0.8 else None),
            hop_limit=255 if rng.random() < 0.9 else rng.randrange(256),
        )
        return ethernet(dst_mac, self._mac(), 0x86DD, packet)

    def _echo(self) -> bytes:
        rng, own = self.rng, self.tables.address
        dst = own if rng.random() < 0.9 else own ^ 1 << rng.randrange(128)
        dst_mac = self.tables.ports[self.port].mac if rng.random() < 0.9 else 0x333300000001
        packet = echo_request(
            rng.getrandbits(128), dst, rng.getrandbits(16), rng.getrandbits(16), rng.randbytes(self._size(80))
        )
        return ethernet(dst_mac, self._mac(), 0x86DD, packet)

    def _ethernet(self, src: int, dst: int, overhead: int = 4) -> bytes:
        ethertype, payload = random_payload(self.rng, src, dst, self._size(14 + overhead))
        if dst >> 40 & 1 and self.rng.random() < 0.7:
            payload = to_group(self.rng, ethertype, payload, dst)
        return ethernet(dst, src, ethertype, payload[: self.longest - overhead - 14])

    def _destination(self, sender: MacTableEntry) -> int:
        rng = self.rng
        kind = rng.random()
        own = [m.mac for m in self.tables.macs if m.tenant == sender.tenant]
        if kind < 0.48 and own:
            return rng.choice(own)
        if kind < 0.6:
            return _BROADCAST
        if kind < 0.7:
            group = rng.choice((0x333300000000 | rng.getrandbits(32), 0x01005E000000 | rng.getrandbits(23)))
            return rng.choice([m.mac for m in self._groups] or [group]) if rng.random() < 0.7 else group
        if kind < 0.74:
            return _LINK_LOCAL | rng.randrange(18)
        if kind < 0.82 and sender.tenant in self._ouis:
            few = self._to_strangers and rng.random() < self._to_strangers
            return self._strange_mac(sender.tenant) if few else self._oui(sender.tenant) | rng.getrandbits(24)
        # Any tenant's: only rules let such a frame through.
        return rng.choice(self.tables.macs).mac if self.tables.macs and kind < 0.98 else self._mac()

    def _tunnelled_destination(self, sender: MacTableEntry) -> int:
        """A destination, or a group address of a tenant: of its own groups, or any."""
        rng = self.rng
        named = [tenant for tenant in self.tables.tenants if tenant.group_key]
        if not named or rng.random() < 0.8:
            return self._destination(sender)
        tenant = rng.choice(named)
        own = [m.mac for m in self._groups if m.tenant == tenant.index]
        if own and rng.random() < 0.4:
            return tenant.group_oui << 24 | rng.choice(own) & 0xFFFFFF
        return tenant.group_oui << 24 | (0xFFFFFF if rng.random() < 0.4 else rng.getrandbits(24))

    def _vid(self, sender: MacTableEntry) -> int:
        """A VLAN ID that the sender's tenant may have on this port."""
        mask = self.tables.ports[self.port].key_mask.vid
        return (0x700 | sender.mac & 0xFF) & ~mask | self._vlans.get(sender.tenant, 0) & mask

    def _stranger(self) -> MacTableEntry:
        """A sender that the tables do not name: of a tenant that is here, or of none."""
        tenants = self.tables.tenants
        if tenants and self.rng.random() < 0.6:
            tenant = self.rng.choice(tenants).index
            return MacTableEntry(tenant, self._strange_mac(tenant), Remote(0))
        return MacTableEntry(-1, self._mac(), Remote(0))

    def _strange_mac(self, tenant: int) -> int:
        """Of a tenant by index, one of few, so that learned ones are met again."""
        low = 0xFF8FF8 | self.rng.randrange(8) * 0x001001  # twice, since the tenant may go by either
        if self.rng.random() < 0.9:
            low = low & ~self._block_bits | self._blocks[tenant]
        return self._oui(tenant) | low

    def _oui(self, tenant: int) -> int:
        """One of a tenant's by index, in its place in an address."""
        return self.rng.choice(self._ouis[tenant]) << 24

    def _mac(self) -> int:
        return self.rng.getrandbits(48) & ~(1 << 40)

    def _size(self, headers: int) -> int:
        """Octets of payload: mostly small, all sizes possible."""
        rng = self.rng
        kind = rng.random()
        low = max(0, 60 - headers)
        if kind < 0.2:
            return rng.randrange(0, low + 5)
        if kind < 0.7:
            return rng.randrange(low, 300)
        if kind < 0.97:
            return min(self.longest, rng.choice((1280, 1460, 1500, 1518, rng.randrange(300, 1600))))
        return max(0, min(self.longest, rng.choice((9000, rng.randrange(1500, 9014)))) - headers)


def _flip_bit(rng: random.Random, frame: bytes) -> bytes:
    """One wrong bit in the headers."""
    bit = rng.randrange(8 * min(len(frame), 96))
    return _replaced(frame, bit // 8, bytes((frame[bit // 8] ^ 1 << bit % 8,)))


def _scramble(rng: random.Random, frame: bytes) -> bytes:
    """Some octets in the headers replaced."""
    start = rng.randrange(min(len(frame), 96))
    return _replaced(frame, start, rng.randbytes(rng.randrange(1, 9)))


def _truncate(rng: random.Random, frame: bytes) -> bytes:
    return frame[: rng.randrange(1, len(frame) + 1)]


def _extend(rng: random.Random, frame: bytes) -> bytes:
    return frame + rng.randbytes(rng.randrange(1, 80))


def _wrong_length(rng: random.Random, frame: bytes) -> bytes:
    """Another value where IPv6 has its payload length (fabric) and a tagged frame its first header octets."""
    value = rng.choice(
        (0, 13, 14, 15, len(frame), len(frame) - 54, len(frame) - 53, 0xFFFF, rng.getrandbits(16))
    )
    return _replaced(frame, 18, (value & 0xFFFF).to_bytes(2, "big"))


def _garbage(rng: random.Random, frame: bytes) -> bytes:
    return rng.randbytes(len(frame))


def _bad_source(rng: random.Random, frame: bytes) -> bytes:
    """A source that nobody may have, of the outer or the inner frame."""
    offset = 60 if len(frame) > 68 and rng.random() < 0.5 else 6
    return _replaced(frame, offset, mac_octets(rng.choice((0, _BROADCAST, 1 << 40 | rng.getrandbits(40)))))


def _retag(rng: random.Random, frame: bytes) -> bytes:
    """A second tag, or one of another kind."""
    return tag(
        frame, rng.choice((0, 1, 4094, 4095, rng.randrange(4096))), 0, rng.choice((0x8100, 0x88A8, 0x9100))
    )


def _replaced(frame: bytes, start: int, octets: bytes) -> bytes:
    return (frame[:start] + octets + frame[start + len(octets) :])[: max(len(frame), start)]


_MUTATIONS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _flip_bit,
    _scramble,
    _truncate,
    _extend,
    _wrong_length,
    _garbage,
    _bad_source,
    _retag,
)


def mutate(rng: random.Random, frame: bytes) -> bytes:
    """``frame``, damaged or forged in one way; it may be empty then."""
    return rng.choice(_MUTATIONS)(rng, frame)


@dataclass(frozen=True)
class Event:
    """A frame that starts to enter ``port`` at ``time`` (nanoseconds)."""

    time: int
    port: int
    frame: bytes


@dataclass(frozen=True)
class Aside:
    """Keeps away from the ticks of storm control: no frame ends from ``before`` to ``behind`` nanoseconds of one."""

    before: int
    behind: int

    def __call__(self, lane: Lane, length: int, earliest: int) -> int:
        """When a frame may start that could at ``earliest``."""
        slot = lane.slot(length, earliest)
        # The first tick that is not too long ago.
        tick = -(-(slot.end - self.behind) * TICKS_PER_SECOND // 1_000_000_000)
        at = tick * 1_000_000_000 // TICKS_PER_SECOND
        return (
            slot.start + max(0, at + self.behind - slot.end) if at <= slot.end + self.before else slot.start
        )


def schedule(
    tables: TepTables,
    rng: random.Random,
    count: int,
    *,
    gap: int = 0,
    copies: int = 0,
    aside: Aside | None = None,
    rate: int = GIGABIT,
    **options: float,
) -> list[Event]:
    """``count`` frames for all ports of a TEP, in order of time. ``options`` are those of :class:`Traffic`.

    All ports send at once, at line rate. With ``copies``, each port rests after a frame for as long as it
    takes to send that many encapsulated copies of it from every port, so that no queue builds up. With
    ``gap``, only one frame is under way at a time, and the next one follows that many nanoseconds after its
    end and rest: where tenants learn, choose more than learning takes, else the outcome depends on single
    clocks. ``aside`` keeps the ends of frames away from instants that would make it depend on clocks, too.
    """
    sources = [Traffic(tables, rng, port, **options) for port in range(len(tables.ports))]  # type: ignore[arg-type]
    lanes = [Lane(rate) for _ in tables.ports]
    ready = [0] * len(tables.ports)
    events = []
    for _ in range(count):
        port = rng.randrange(len(sources))
        frame = sources[port].frame()
        slot = lanes[port].send(
            len(frame), ready[port] if aside is None else aside(lanes[port], len(frame), ready[port])
        )
        events.append(Event(slot.start, port, frame))
        rest = copies * lanes[port].octets_ns(len(frame) + OUTER_BYTES + OVERHEAD)
        if gap:
            ready = [slot.end + gap + rest] * len(ready)
        else:
            ready[port] = slot.end + rest * len(ready)
    return sorted(events, key=lambda event: event.time)
