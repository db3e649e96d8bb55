"""The golden model of one TEP."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from opentep.gateware.events import PUNT_EVENTS
from opentep.gateware.params import MIN_FRAME, Params
from opentep.host.events import ALL_CHANGES, LearningEvent
from opentep.host.tables import Local, TepTables

from .access import decide_access
from .counters import PortCounters, TrafficCounters
from .edit import encapsulate, push_tag
from .fabric import decide_fabric
from .packet import AccessFrame, Ipv6Header
from .reason import Reason
from .replicate import Replicas, replicate
from .storm import StormControl
from .tables import Tables
from .verdict import Answer, Discard, Flood, Suppress, ToPlace, Verdict

__all__ = ["TepModel"]

_DEFAULT = Params()


class TepModel:
    """One TEP in pure Python: the specification in executable form and the oracle of all tests.

    Frames are octets without preamble and FCS. Time is in nanoseconds and matters only to ageing and to storm
    control, which sees it in ticks of 1/4096 second. The model has no queues and no latency: what a frame causes is
    returned at once.
    """

    def __init__(
        self,
        tables: TepTables,
        params: Params = _DEFAULT,
        ways: Mapping[int, tuple[int, ...]] | None = None,
    ):
        """Of ``params`` matter ``max_frame``, what is counted, and which tenants can have a limit. ``ways``: those that
        flows had before, by TEP index; a new configuration moves no more than it must."""
        self.config = tables
        self.params = params
        self._tables = Tables(tables, ways or {})
        self._storm = StormControl(t for t in tables.tenants if t.index < params.limited_tenants)
        self._ports = [PortCounters() for _ in tables.ports]
        self._teps = {tep.index: TrafficCounters() for tep in tables.teps}
        self._tenants = {tenant.index: TrafficCounters() for tenant in tables.tenants}
        self._answered = 0
        self._now = 0

    @property
    def ways(self) -> dict[int, tuple[int, ...]]:
        """Fabric port per share of the flows to each remote TEP."""
        return self._tables.ways

    def receive(self, port: int, frame: bytes, time: int = 0, error: bool = False) -> list[tuple[int, bytes]]:
        """Take one frame from the wire of ``port``; returns the frames that leave, with their ports.

        They are edited but not padded, in port order, and replicas in the order of their list. ``error`` is a
        bad FCS or a PHY error. ``time`` may be given as a float; time never runs backwards.
        """
        self.advance(time)
        counters = self._ports[port]
        counters.rx_frames += 1
        counters.rx_octets += len(frame)
        if error or not MIN_FRAME <= len(frame) <= self.params.max_frame:
            counters.drops[Reason.RX_ERROR] += 1
            return []
        leaving = (
            self._from_fabric(port, frame) if self._tables.is_fabric(port) else self._from_access(port, frame)
        )
        for number, octets in leaving:
            self._ports[number].tx_frames += 1
            self._ports[number].tx_octets += len(octets)
        return leaving

    def advance(self, time: float) -> None:
        """Let time pass until ``time``: learned entries age, buckets of storm control fill."""
        self._now = max(self._now, int(time))
        self._storm.advance(self._now)
        self._tables.macs.age(self._now)

    def events(self) -> list[LearningEvent]:
        """What became of learned addresses since the last call, in order. The model's host hears of all, at once."""
        return self._tables.macs.events()

    def counters(self) -> dict[str, Any]:
        """Every counter, under the names of ``counters.json``."""
        macs, params, config = self._tables.macs, self.params, self.config
        teps = {tep.name: self._teps[tep.index] for tep in config.teps if tep.index < params.tep_counters}
        tenants = {
            tenant.name: self._tenants[tenant.index]
            for tenant in config.tenants
            if tenant.index < params.tenant_counters
        }
        return {
            "ports": {
                port.name: counters.as_dict()
                for port, counters in zip(config.ports, self._ports, strict=True)
            },
            "teps": {name: asdict(counters) for name, counters in teps.items()},
            "tenants": {name: asdict(counters) for name, counters in tenants.items()},
            "mac": {change.label: macs.changes[change] for change in ALL_CHANGES}
            | {"refused": macs.refused, "events_lost": 0},
            # Its host wants no frames.
            "punt": dict.fromkeys(PUNT_EVENTS, 0),
            # Never an overrun: it has all the time it needs.
            "suppression": {"answered": self._answered, "overrun": 0} if params.suppresses else {},
        }

    def _from_access(self, port: int, octets: bytes) -> list[tuple[int, bytes]]:
        frame = AccessFrame.parse(octets, self.config.ports[port].native_vid)
        if frame is None:
            return self._carry_out(port, Discard(Reason.UNTAGGED), b"", 0, None)
        verdict = decide_access(self._tables, port, frame, self._now)
        if not isinstance(verdict, Discard):
            tenant = self._tables.tenant_of(self.config.ports[port], frame.src, frame.vid)
            assert tenant is not None
            if isinstance(verdict, Flood) and not self._storm.take(tenant.index):
                return self._carry_out(port, Discard(Reason.STORM), b"", 0, None)
            self._tenants[tenant.index].receive(octets)
        return self._carry_out(port, verdict, frame.inner, frame.pcp_dei, Local(port, frame.vid))

    def _from_fabric(self, port: int, octets: bytes) -> list[tuple[int, bytes]]:
        verdict, inner = decide_fabric(self._tables, self.config.ports[port], octets, self._now)
        if isinstance(verdict, ToPlace | Flood):
            packet = Ipv6Header.parse(octets)
            assert packet is not None
            sender = self._tables.tep_at(packet.src)
            assert sender is not None
            self._teps[sender.index].receive(octets)
        return self._carry_out(port, verdict, inner, 0, None)

    def _carry_out(
        self, port: int, verdict: Verdict, inner: bytes, pcp_dei: int, sender: Local | None
    ) -> list[tuple[int, bytes]]:
        """Turn the verdict about ``inner``, which came in on ``port``, into the frames that leave."""
        if isinstance(verdict, Discard):
            self._ports[port].drops[verdict.reason] += 1
            return []
        if isinstance(verdict, Answer):
            return [(port, verdict.frame)]
        if isinstance(verdict, Suppress):
            self._answered += 1
            return self._edited(verdict.place, verdict.frame, pcp_dei)
        if isinstance(verdict, ToPlace):
            return self._edited(verdict, inner, pcp_dei)
        leaving = []
        from_fabric = self._tables.is_fabric(port)
        for replicas in replicate(self._tables, verdict, inner, sender, from_fabric):
            self._count_too_big(replicas)
            for copy in replicas.copies:
                leaving += self._edited(copy, inner, pcp_dei)
        return leaving

    def _count_too_big(self, replicas: Replicas) -> None:
        if replicas.too_big:
            self._ports[replicas.port].drops[Reason.TOO_BIG] += 1

    def _edited(self, copy: ToPlace, inner: bytes, pcp_dei: int) -> list[tuple[int, bytes]]:
        """One frame, or two for a VM with two VLAN IDs."""
        if not self._tables.is_fabric(copy.port):
            place = Local(copy.port, copy.target)
            places = (place, *(self._tables.names_of(place) - {place}))
            frames = [push_tag(inner, pcp_dei, each.vid) for each in places]
            for frame in frames:
                self._tenants[copy.tenant].send(frame)
            return [(copy.port, frame) for frame in frames]
        port = self.config.ports[copy.port]
        tep = self._tables.tep(copy.target)
        next_hop = tep.way(copy.port).next_hop
        frame = encapsulate(inner, port, next_hop, self.config.address, tep, copy.network, copy.oui)
        self._teps[copy.target].send(frame)
        return [(copy.port, frame)]
