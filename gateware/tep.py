"""The complete TEP: core and host link. What boards, and the virtual board, put their PHYs around."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .core import Core
from .hostlink.link import HostLink
from .mac.faults import MacFaults
from .packet import PacketSignature
from .params import Params
from .phy.link import LinkState
from .phy.startup import PhyClient
from .storm.limit import StormTicks

__all__ = ["Tep"]


class Tep(wiring.Component):
    """A TEP without its PHYs and its UART.

    Members
    -------
    rx, tx
        Frames from and to the MACs, access ports first. Frames to the MACs are not padded to 60 octets.
    link_rx, link_tx
        Octets of the host link (``docs/host-link.md``).
    second
        Strobe once per second, the unit of ageing.
    storm
        Time for storm control, :func:`StormTicks`.
    links
        State of the ports' links, for the host to read.
    faults
        What goes wrong in the ports' MACs, to be counted.
    phys
        The host's access to registers of PHYs (``gateware/phy/router.py``).
    busy
        Some frame, table operation or host link reply is inside.
    """

    def __init__(self, params: Params, build: int = 0):
        self.params = params
        self.core = Core(params, build)
        super().__init__(
            {
                "rx": In(PacketSignature(params.width, always_ready=True)).array(params.ports),
                "tx": Out(PacketSignature(params.width)).array(params.ports),
                "link_rx": In(stream.Signature(8)),
                "link_tx": Out(stream.Signature(8)),
                "second": In(1),
                "storm": In(StormTicks()),
                "links": In(LinkState).array(params.ports),
                "faults": In(MacFaults).array(params.ports),
                "phys": Out(PhyClient()),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = core = self.core
        m.submodules.link = link = HostLink()
        for port in range(self.params.ports):
            connect(m, flipped(self.rx[port]), core.rx[port])
            connect(m, core.tx[port], flipped(self.tx[port]))
        connect(m, flipped(self.link_rx), link.rx)
        connect(m, link.tx, flipped(self.link_tx))
        connect(m, link.bus, core.bus)
        connect(m, flipped(self.storm), core.storm)
        connect(m, core.phys, flipped(self.phys))
        m.d.comb += [
            core.link_errors.eq(link.errors),
            core.second.eq(self.second),
            *(inner.eq(outer) for inner, outer in zip(core.links, self.links, strict=True)),
            *(inner.eq(outer) for inner, outer in zip(core.faults, self.faults, strict=True)),
        ]
        m.d.sync += self.busy.eq(core.busy | link.busy)
        return m
