"""A small design for real boards, through every tool in seconds: oscillator, PLL, a receive clock, crossings.

As a program it builds itself for the Colorlight into the folder that it is given.
"""

import sys
from pathlib import Path

from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Module, Signal
from amaranth.lib import io, wiring
from amaranth.lib.cdc import FFSynchronizer, ResetSynchronizer
from amaranth.lib.wiring import In, Out
from opentep.boards.board import Board
from opentep.boards.catalogue import BOARDS
from opentep.boards.flow import BuildOptions, build_bitstream
from opentep.boards.plan import BuildPlan, make_plan
from opentep.boards.pll import Pll, plan_pll
from opentep.boards.report import BoardReport
from opentep.gateware.tables.memory import BlockRAM

COLORLIGHT = BOARDS["colorlight-5a-75b"]
RX_BITS, SENT_BITS = 24, 16


class Counter(wiring.Component):
    """Counts ``step`` modulo 2^bits, in the domain that it is put in."""

    def __init__(self, bits: int, domain: str = "sync"):
        self.bits = bits
        self.domain = domain
        super().__init__({"step": In(4), "value": Out(bits)})

    def elaborate(self, platform):
        m = Module()
        m.d[self.domain] += self.value.eq(self.value + self.step)
        return m


class Sampler(wiring.Component):
    """A register without a path to another one of its domain."""

    def __init__(self, domain: str):
        self.domain = domain
        super().__init__({"pin": In(1), "value": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.d[self.domain] += self.value.eq(self.pin)
        return m


class Store(wiring.Component):
    """A block RAM that is filled with a running number, and a digest of what it holds."""

    step: In(4)
    digest: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.place = place = Counter(9)
        m.submodules.memory = memory = BlockRAM(36, 512)
        m.d.comb += [
            place.step.eq(self.step),
            memory.w_en.eq(1),
            memory.w_addr.eq(place.value),
            memory.w_data.eq(place.value.replicate(4)),
            memory.r_addr.eq(place.value ^ self.step),
        ]
        m.d.sync += self.digest.eq(memory.r_data.xor())
        return m


class SmallTop(Elaboratable):
    """What a PHY's receive clock counts, or samples, drives an LED, across a crossing and through a block RAM.

    ``rx_hz``    constraint of the domain ``eth0_rx``, or None to leave it without
    ``samples``  the domain has no path of its own
    ``stray``    what the LED depends on, too, is made from registers of other domains: of ``"one"`` without a
                 synchronizer, or of ``"two"`` with one
    """

    def __init__(
        self,
        board: Board = COLORLIGHT,
        rx_hz: float | None = 125e6,
        samples: bool = False,
        stray: str | None = None,
    ):
        self.board = board
        self.stray = stray
        self.rx_hz = rx_hz
        self.samples = samples

    def elaborate(self, platform):
        m = Module()
        pll_plan = plan_pll(self.board.oscillator_hz, [125_000_000], [self.board.core_hz])
        m.submodules.pll = pll = Pll(pll_plan)
        for name, clock in zip(("gigabit", "sync"), pll.outputs, strict=True):
            m.domains += ClockDomain(name)
            m.d.comb += ClockSignal(name).eq(clock)
            m.submodules[f"{name}_reset"] = ResetSynchronizer(~pll.locked, domain=name)
        oscillator = io.Buffer("i", platform.request(platform.default_clk, dir="-"))
        m.submodules.oscillator_pin = oscillator
        m.d.comb += pll.input.eq(oscillator.i)

        pins = platform.request("eth_rgmii", 0, dir="-")
        m.domains.eth0_rx = ClockDomain(reset_less=True)
        m.submodules.rx_clock = rx_clock = io.Buffer("i", pins.rx_clk)
        m.d.comb += ClockSignal("eth0_rx").eq(rx_clock.i)
        if self.rx_hz is not None:
            platform.add_clock_constraint(pins.rx_clk.io, self.rx_hz)

        if self.samples:
            m.submodules.received = received = Sampler("eth0_rx")
            m.submodules.rx_data = rx_data = io.Buffer("i", pins.rx_data)
            m.d.comb += received.pin.eq(rx_data.i[0])
        else:
            m.submodules.received = received = Counter(RX_BITS, "eth0_rx")
            m.d.comb += received.step.eq(1)
        m.submodules.sent = sent = Counter(SENT_BITS, "gigabit")
        m.submodules.store = store = Store()
        crossed, sent_bit = Signal(), Signal()
        m.submodules.crossing = FFSynchronizer(received.value[-1], crossed)
        if self.stray == "one":
            m.d.comb += sent_bit.eq(sent.value[-1])
        else:
            both = sent.value[-1] ^ sent.value[-2] if self.stray == "two" else sent.value[-1]
            m.submodules.sent_crossing = FFSynchronizer(both, sent_bit)
        m.submodules.led = led = io.Buffer("o", platform.request("led", 0, dir="-"))
        m.d.comb += [sent.step.eq(1), store.step.eq(crossed + 2 * sent_bit), led.o.eq(store.digest)]
        return m


def small_plan(board: Board = COLORLIGHT, **options) -> BuildPlan:
    return make_plan(board.platform(), SmallTop(board, **options))


def build(
    where: Path, board: Board = COLORLIGHT, options: BuildOptions = BuildOptions((1,)), **design
) -> BoardReport:
    return build_bitstream(
        board.name, small_plan(board, **design), board.timing_model, where, options=options
    )


if __name__ == "__main__":
    build(Path(sys.argv[1]))
