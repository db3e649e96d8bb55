"""The top of every board: PHYs, MACs, TEP, UART, LEDs."""

from amaranth.build.res import PortGroup
from amaranth.hdl import ClockDomain, Elaboratable, Module, Signal
from amaranth.lib import io
from amaranth.lib.wiring import connect

from ..gateware.egress.merge import Merge
from ..gateware.hostlink.uart import Uart
from ..gateware.link_led import LinkLed
from ..gateware.params import Params
from ..gateware.phy.rgmii_pads import RgmiiPins
from ..gateware.phy.router import PhyRouter
from ..gateware.phy.startup import PhyBus
from ..gateware.tep import Tep
from ..gateware.ticks import Ticks
from ..gateware.trunk import TrunkSplit
from .board import Board, EthernetPort
from .clocking import CORE_DOMAIN, GIGABIT_DOMAIN, BoardClocks
from .rgmii_port import MAX_FRAME, RgmiiPort

__all__ = ["BoardTop", "check_params"]


def check_params(board: Board, params: Params) -> None:
    """ValueError if the TEP on ``board`` cannot have ``params``."""
    if params.ports != 2:
        raise ValueError(f"{board.name} has an access and a fabric port, not {params.ports} ports")
    if params.clock_hz != board.params.clock_hz:
        raise ValueError(f"clock_hz is {board.params.clock_hz} on {board.name}, not {params.clock_hz}")
    if params.max_frame > MAX_FRAME:
        raise ValueError(f"max_frame is at most {MAX_FRAME} on a board, whose MACs count the FCS as well")


class BoardTop(Elaboratable):
    """The complete TEP on ``board``, with ``params`` instead of the board's own and ``build`` in its registers."""

    def __init__(self, board: Board, params: Params | None = None, build: int = 0):
        self.board = board
        self.params = board.params if params is None else params
        self.build = build
        check_params(board, self.params)

    def elaborate(self, platform):
        m = Module()
        board = self.board
        m.domains += [ClockDomain(name, reset_less=True) for name in (CORE_DOMAIN, GIGABIT_DOMAIN)]
        m.submodules.clocks = clocks = BoardClocks(board.oscillator_hz, board.core_hz)
        oscillator = io.Buffer("i", platform.request(platform.default_clk, dir="-"))
        m.submodules.oscillator = oscillator
        m.d.comb += clocks.oscillator.eq(oscillator.i)

        m.submodules.tep = tep = Tep(self.params, self.build)
        m.submodules.ticks = ticks = Ticks(self.params.clock_hz)
        connect(m, ticks.storm, tep.storm)
        m.d.comb += tep.second.eq(ticks.second)

        m.submodules.uart = uart = Uart(self.params.clock_hz, board.baud)
        line = platform.request("uart", 0, dir="-")
        m.submodules.uart_rx = uart_rx = io.Buffer("i", line.rx)
        m.submodules.uart_tx = uart_tx = io.Buffer("o", line.tx)
        m.d.comb += [uart.rx_pin.eq(uart_rx.i), uart_tx.o.eq(uart.tx_pin)]
        connect(m, uart.rx, tep.link_rx)
        connect(m, tep.link_tx, uart.tx)

        ethernets, buses = self._ports(m, platform, clocks.running)
        m.submodules.phys = phys = PhyRouter([bus.ports for bus in buses])
        connect(m, tep.phys, phys.host)
        for number, bus in enumerate(buses):
            connect(m, phys.buses[number], bus.host)
        if board.is_trunk:
            (ethernet,) = ethernets
            m.submodules.split = split = TrunkSplit(self.params.width)
            m.submodules.merge = merge = Merge(self.params.width)
            connect(m, ethernet.rx, split.input)
            connect(m, split.tagged, tep.rx[0])
            connect(m, split.untagged, tep.rx[1])
            connect(m, tep.tx[0], merge.main)
            connect(m, tep.tx[1], merge.inject)
            connect(m, merge.output, ethernet.tx)
        else:
            for number, ethernet in enumerate(ethernets):
                connect(m, ethernet.rx, tep.rx[number])
                connect(m, tep.tx[number], ethernet.tx)
        for number, link in enumerate(tep.links):
            m.d.comb += link.eq(ethernets[0 if board.is_trunk else number].link)
        for number, ethernet in enumerate(ethernets):  # one MAC for both: counted once
            m.d.comb += tep.faults[number].eq(ethernet.faults)

        for led, ethernet in zip(board.leds, ethernets, strict=False):
            m.submodules[f"led{led.number}"] = blinker = LinkLed()
            m.submodules[f"led{led.number}_pin"] = pin = io.Buffer("o", led.port(platform))
            m.d.comb += [
                blinker.up.eq(ethernet.link.up),
                blinker.frame.eq(ethernet.rx.valid | ethernet.tx.valid),
                blinker.tick.eq(ticks.storm.tick),
                pin.o.eq(blinker.lit),
            ]
        return m

    def _ports(self, m: Module, platform, running: Signal) -> tuple[list[RgmiiPort], list[PhyBus]]:
        """Every port, with the link that its PHY has; and the buses that tell it."""
        board = self.board
        ethernets: list[RgmiiPort] = []
        groups: list[tuple[PortGroup, list[RgmiiPort]]] = []
        for port in board.ports:
            pins = platform.request("eth_rgmii", port.number, dir="-")
            ethernets.append(self._port(m, port, pins))
            m.d.comb += ethernets[-1].running.eq(running)
            if hasattr(pins, "mdc"):
                groups.append((pins, []))
            groups[-1][1].append(ethernets[-1])
        buses = []
        for number, (pins, members) in enumerate(groups):
            bus = PhyBus(board.phy, len(members), self.params.clock_hz)
            m.submodules[f"phy_bus{number}"] = bus
            buses.append(bus)
            m.submodules[f"mdc{number}"] = mdc = io.Buffer("o", pins.mdc)
            m.submodules[f"mdio{number}"] = mdio = io.Buffer("io", pins.mdio)
            m.d.comb += [
                mdc.o.eq(bus.pins.mdc),
                mdio.o.eq(bus.pins.mdio_o),
                mdio.oe.eq(bus.pins.mdio_oe),
                bus.pins.mdio_i.eq(mdio.i),
                *(ethernet.link.eq(link) for ethernet, link in zip(members, bus.links, strict=True)),
            ]
            if hasattr(pins, "rst"):
                m.submodules[f"phy_reset{number}"] = reset = io.Buffer("o", pins.rst)
                m.d.comb += reset.o.eq(bus.reset)
        return ethernets, buses

    def _port(self, m: Module, port: EthernetPort, pins: PortGroup) -> RgmiiPort:
        name = f"eth{port.number}"
        m.submodules[name] = ethernet = RgmiiPort(
            name,
            self.params.width,
            RgmiiPins(
                pins.rx_clk,
                getattr(pins, f"rx_{port.control}"),
                pins.rx_data,
                pins.tx_clk,
                getattr(pins, f"tx_{port.control}"),
                pins.tx_data,
            ),
            max_frame=self.params.max_frame,
            rx_delay_ps=self.board.phy.rx_delay_ps,
            tx_delay_ps=self.board.phy.tx_delay_ps,
        )
        m.domains += ClockDomain(ethernet.rx_domain, reset_less=True)
        return ethernet
