"""The PHYs of one MDIO bus: reset, set-up, state of their links, and access for the host."""

from amaranth.hdl import Array, Cat, Const, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .description import PhyDescription
from .link import LinkState
from .mdio import Mdio, MdioPins, MdioResponse, half_period_for
from .status import POLLED, LinkResolver, PhyRegister

__all__ = ["PhyBus", "PhyClient", "PhyRequest"]

_ADDRESSES = 32
_POLL_US = 10_000
_NOBODY = 0xFFFF
"""What a pulled-up line reads as."""


class PhyRequest(data.Struct):
    """A register to be read or written, of the PHY of a port."""

    data: 16
    register: 5
    port: 4
    write: 1


class PhyClient(wiring.Signature):
    """Access to registers of PHYs: a response for every request, in order, before the next one is taken."""

    def __init__(self):
        super().__init__(
            {"request": Out(stream.Signature(PhyRequest)), "response": In(stream.Signature(MdioResponse))}
        )


class PhyBus(wiring.Component):
    """Holds ``ports`` PHYs of one kind on one MDIO bus in reset, sets them up, then polls their links.

    A PHY without given address is the next one that answers, so that the ports are in the order of addresses. One that
    answers no more has no link, and is set up anew when it answers again. Links are polled every 10 ms at the earliest;
    requests of the host take turns with them, one register each.

    Members
    -------
    host
        Ports count from 0. A port whose PHY is not found yet does not answer.
    links
        Per port.
    reset
        For the PHYs' pin; high after reset of the gateware, or never.
    pins
        See :class:`MdioPins`.
    """

    def __init__(self, phy: PhyDescription, ports: int, clock_hz: int, *, poll_us: int = _POLL_US):
        if not 1 <= ports <= 16:
            raise ValueError(f"ports must be from 1 to 16, not {ports}")
        if phy.addresses is not None and len(phy.addresses) != ports:
            raise ValueError(f"{phy.name} has {len(phy.addresses)} addresses, but there are {ports} ports")
        self.phy = phy
        self.ports = ports
        self.clock_hz = clock_hz
        self.poll_us = poll_us
        super().__init__(
            {
                "host": In(PhyClient()),
                "links": Out(LinkState).array(ports),
                "reset": Out(1, init=phy.reset_us is not None),
                "pins": Out(MdioPins()),
            }
        )

    def _clocks(self, microseconds: int) -> int:
        return -(-microseconds * self.clock_hz // 1_000_000)

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.mdio = mdio = Mdio(half_period_for(self.clock_hz))
        connect(m, mdio.pins, flipped(self.pins))
        m.submodules.resolver = resolver = LinkResolver()
        request, response, host = mdio.request.payload, mdio.response, self.host

        settle, poll = self._clocks(self.phy.settle_us), self._clocks(self.poll_us)
        first_wait = settle if self.phy.reset_us is None else self._clocks(self.phy.reset_us)
        timer = Signal(range(max(first_wait, settle, poll)), init=first_wait - 1)
        port = Signal(range(self.ports))
        known = Signal(self.ports, init=0 if self.phy.addresses is None else -1)
        """Ports whose PHY has an address,"""
        ready = Signal(self.ports)
        """and which are set up."""
        address = Array(
            Signal(5, name=f"address_{index}", init=(self.phy.addresses or [0] * self.ports)[index])
            for index in range(self.ports)
        )
        first = self.phy.first_address
        candidate = Signal(range(_ADDRESSES + 1), init=first)
        """Next address at which to look for a PHY."""
        step = Signal(range(max(len(self.phy.writes), len(POLLED)) + 1))
        old = Signal(16)
        """What a register held whose bits are not all to be written."""
        has_old = Signal()
        served = Signal()
        """The host had its turn: the next access is for set-up and polling, if they have anything to do."""

        with m.If(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        m.d.comb += [resolver.register.eq(Array(POLLED)[step]), resolver.value.eq(response.payload.data)]

        def next_port() -> None:
            m.d.sync += [port.eq(port + 1), step.eq(0), has_old.eq(0)]
            m.next = "NEXT"
            with m.If(port == self.ports - 1):
                m.d.sync += [port.eq(0), timer.eq(poll - 1)]

        def lost() -> None:
            m.d.sync += ready.bit_select(port, 1).eq(0)
            for index, link in enumerate(self.links):
                with m.If(port == index):
                    m.d.sync += link.up.eq(0)
            next_port()

        with m.FSM():
            if self.phy.reset_us is not None:
                with m.State("RESET"):
                    with m.If(timer == 0):
                        m.d.sync += [timer.eq(settle - 1), self.reset.eq(0)]
                        m.next = "SETTLE"
            with m.State("SETTLE"):
                with m.If(timer == 0):
                    m.next = "NEXT"
            with m.State("NEXT"):
                m.d.sync += served.eq(0)
                with m.If(host.request.valid & ~(served & (timer == 0))):
                    m.next = "HOST"
                with m.Elif(timer == 0):
                    with m.If(~known.bit_select(port, 1)):
                        m.next = "FIND"
                    with m.Elif(ready.bit_select(port, 1)):
                        m.next = "POLL"
                    with m.Elif(step == len(self.phy.writes)):
                        m.d.sync += [ready.bit_select(port, 1).eq(1), step.eq(0)]
                    with m.Else():
                        m.next = "WRITE"
            with m.State("FIND"):
                m.d.comb += [request.register.eq(PhyRegister.IDENTIFIER), request.phy.eq(candidate)]
                with m.If(candidate == _ADDRESSES):
                    # None left, for the ports behind neither: once more when it is time to poll.
                    m.d.sync += [port.eq(0), timer.eq(poll - 1), candidate.eq(first)]
                    for index in range(1, self.ports):
                        with m.If(port == index):
                            m.d.sync += candidate.eq(address[index - 1] + 1)
                    m.next = "NEXT"
                with m.Else():
                    m.d.comb += mdio.request.valid.eq(1)
                    with m.If(mdio.request.ready):
                        m.next = "FOUND"
            with m.State("FOUND"):
                m.d.comb += response.ready.eq(1)
                with m.If(response.valid):
                    m.d.sync += candidate.eq(candidate + 1)
                    m.next = "NEXT"
                    with m.If(response.payload.answered & (response.payload.data != _NOBODY)):
                        m.d.sync += [address[port].eq(candidate), known.bit_select(port, 1).eq(1)]
            self._write_state(m, request, mdio, address[port], step, old, has_old)
            with m.State("WRITTEN"):
                m.d.comb += response.ready.eq(1)
                with m.If(response.valid):
                    m.next = "NEXT"
                    m.d.sync += [old.eq(response.payload.data), has_old.eq(~has_old)]
                    with m.If(has_old):
                        m.d.sync += step.eq(step + 1)
                    with m.Elif(~response.payload.answered):
                        lost()
            with m.State("POLL"):
                m.d.comb += [
                    request.register.eq(resolver.register),
                    request.phy.eq(address[port]),
                    mdio.request.valid.eq(1),
                ]
                with m.If(mdio.request.ready):
                    m.next = "POLLED"
            with m.State("POLLED"):
                m.d.comb += response.ready.eq(1)
                with m.If(response.valid):
                    m.d.comb += resolver.strobe.eq(1)
                    m.d.sync += step.eq(step + 1)
                    m.next = "NEXT"
                    with m.If(~response.payload.answered):
                        lost()
                    with m.Elif(step == len(POLLED) - 1):
                        m.next = "RESOLVED"
            with m.State("RESOLVED"):
                for index, link in enumerate(self.links):
                    with m.If(port == index):
                        m.d.sync += link.eq(resolver.link)
                next_port()
            self._host_states(m, mdio, known, address, served)
        return m

    def _write_state(self, m, request, mdio, address, step, old, has_old) -> None:
        """Read the register of this step of the set-up, then write it."""
        with m.State("WRITE"):
            m.d.comb += [request.phy.eq(address), request.write.eq(has_old), mdio.request.valid.eq(1)]
            with m.Switch(step):
                for number, write in enumerate(self.phy.writes):
                    with m.Case(number):
                        m.d.comb += [
                            request.register.eq(write.register),
                            request.data.eq(old & Const(~write.mask & 0xFFFF, 16) | write.value),
                        ]
            with m.If(mdio.request.ready):
                m.next = "WRITTEN"

    def _host_states(self, m, mdio, known, address, served) -> None:
        wanted, host = self.host.request.payload, self.host
        there = Cat(known[port] & (wanted.port == port) for port in range(self.ports)).any()
        absent = Signal()
        with m.State("HOST"):
            m.d.comb += [
                mdio.request.valid.eq(there),
                mdio.request.payload.phy.eq(address[wanted.port]),
                mdio.request.payload.register.eq(wanted.register),
                mdio.request.payload.write.eq(wanted.write),
                mdio.request.payload.data.eq(wanted.data),
                host.request.ready.eq(mdio.request.ready | ~there),
            ]
            with m.If(host.request.ready):
                m.d.sync += absent.eq(~there)
                m.next = "ANSWER"
        with m.State("ANSWER"):
            m.d.comb += [
                host.response.valid.eq(mdio.response.valid | absent),
                mdio.response.ready.eq(host.response.ready & ~absent),
                host.response.payload.data.eq(mdio.response.payload.data),
                host.response.payload.answered.eq(mdio.response.payload.answered & ~absent),
            ]
            with m.If(host.response.valid & host.response.ready):
                m.d.sync += served.eq(1)
                m.next = "NEXT"
