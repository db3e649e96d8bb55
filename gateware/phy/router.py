"""One access to the PHYs of all ports, whatever buses they are on."""

from collections.abc import Sequence

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .startup import PhyClient

__all__ = ["PhyRouter"]


class PhyRouter(wiring.Component):
    """Passes requests on to the bus that has the PHY of the port, and the response back.

    ``ports[k]`` is how many ports bus ``k`` has; they count on from bus to bus. A port behind the last one does not
    answer, and neither does any without a bus.
    """

    def __init__(self, ports: Sequence[int]):
        if sum(ports) > 16:
            raise ValueError(f"there are at most 16 ports, not {sum(ports)}")
        self.ports = tuple(ports)
        super().__init__({"host": In(PhyClient()), "buses": Out(PhyClient()).array(len(ports))})

    def elaborate(self, platform) -> Module:
        m = Module()
        host = self.host
        wanted = host.request.payload
        absent = Signal()
        """A request for no port waits for its answer."""
        first = 0
        somewhere = Signal()
        for bus, count in zip(self.buses, self.ports, strict=True):
            here = (wanted.port >= first) & (wanted.port < first + count)
            m.d.comb += [
                bus.request.valid.eq(host.request.valid & here),
                bus.request.payload.eq(wanted),
                bus.request.payload.port.eq(wanted.port - first),
                bus.response.ready.eq(host.response.ready),
            ]
            with m.If(here):
                m.d.comb += [somewhere.eq(1), host.request.ready.eq(bus.request.ready)]
            with m.If(bus.response.valid):
                m.d.comb += [host.response.valid.eq(1), host.response.payload.eq(bus.response.payload)]
            first += count
        with m.If(~somewhere):
            m.d.comb += host.request.ready.eq(~absent)
            with m.If(host.request.valid & ~absent):
                m.d.sync += absent.eq(1)
        with m.If(absent):
            m.d.comb += [host.response.valid.eq(1), host.response.payload.answered.eq(0)]
            with m.If(host.response.ready):
                m.d.sync += absent.eq(0)
        return m
