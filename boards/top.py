"""The top of every board: PHYs, MACs, TEP, UART, LEDs."""

from amaranth.hdl import Elaboratable, Module
from amaranth.lib import io
from amaranth.lib.wiring import connect

from ..gateware.egress.merge import Merge
from ..gateware.hostlink.uart import Uart
from ..gateware.link_led import LinkLed
from ..gateware.params import Params
from ..gateware.phy.rgmii_pads import RgmiiPins
from ..gateware.tep import Tep
from ..gateware.ticks import Ticks
from ..gateware.trunk import TrunkSplit
from .board import Board, EthernetPort
from .clocking import BoardClocks
from .rgmii_port import RgmiiPort

__all__ = ["BoardTop"]


class BoardTop(Elaboratable):
    """The complete TEP on ``board``, with ``params`` instead of the board's own and ``build`` in its registers."""

    def __init__(self, board: Board, params: Params | None = None, build: int = 0):
        self.board = board
        self.params = board.params if params is None else params
        self.build = build
        if self.params.ports != 2:
            raise ValueError(f"{board.name} has an access and a fabric port, not {self.params.ports} ports")
        if self.params.clock_hz != board.params.clock_hz:
            raise ValueError(
                f"clock_hz is {board.params.clock_hz} on {board.name}, not {self.params.clock_hz}"
            )

    def elaborate(self, platform):
        m = Module()
        board = self.board
        m.submodules.clocks = clocks = BoardClocks(board.oscillator_hz, board.core_hz)
        oscillator = io.Buffer("i", platform.request(platform.default_clk, dir="-"))
        m.submodules.oscillator = oscillator
        m.d.comb += clocks.oscillator.eq(oscillator.i)
        if platform.default_rst is not None:
            m.submodules.reset = reset = io.Buffer("i", platform.request(platform.default_rst, dir="-"))
            m.d.comb += clocks.reset.eq(reset.i)

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

        macs = [self._port(m, platform, port) for port in board.ports]
        if board.is_trunk:
            (mac,) = macs
            m.submodules.split = split = TrunkSplit(self.params.width)
            m.submodules.merge = merge = Merge(self.params.width)
            connect(m, mac.rx, split.input)
            connect(m, split.tagged, tep.rx[0])
            connect(m, split.untagged, tep.rx[1])
            connect(m, tep.tx[0], merge.main)
            connect(m, tep.tx[1], merge.inject)
            connect(m, merge.output, mac.tx)
        else:
            for number, mac in enumerate(macs):
                connect(m, mac.rx, tep.rx[number])
                connect(m, tep.tx[number], mac.tx)
        return m

    def _port(self, m: Module, platform, port: EthernetPort) -> RgmiiPort:
        name = f"eth{port.number}"
        pins = platform.request("eth_rgmii", port.number, dir="-")
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
            rx_delay_ps=port.phy.rx_delay_ps,
            tx_delay_ps=port.phy.tx_delay_ps,
        )
        return ethernet
