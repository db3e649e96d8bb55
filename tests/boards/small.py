"""A small design for a real board, through every tool in seconds: oscillator, PLL, a receive clock, a crossing."""

from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Module, Signal
from amaranth.lib import io, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out
from amaranth_boards.colorlight_5a75b_r7_0 import Colorlight_5A75B_R70Platform
from opentep.boards.clocking import BoardClocks
from opentep.boards.plan import BuildPlan, make_plan
from opentep.gateware.tables.memory import BlockRAM

DEVICE = "LFE5U-25F-6"
OSCILLATOR_HZ = 25_000_000


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
    """What a PHY's receive clock counts blinks an LED, across a domain crossing and through a block RAM.

    ``core_hz``  of the domain ``sync``
    ``rx_hz``    constraint of the domain ``eth0_rx``, or None to leave it without
    """

    def __init__(self, core_hz: int = 85_000_000, rx_hz: float | None = 125e6):
        self.core_hz = core_hz
        self.rx_hz = rx_hz

    def elaborate(self, platform):
        m = Module()
        m.submodules.clocks = clocks = BoardClocks(OSCILLATOR_HZ, self.core_hz)
        m.submodules.oscillator = oscillator = io.Buffer("i", platform.request("clk25", dir="-"))
        m.d.comb += clocks.oscillator.eq(oscillator.i)

        pins = platform.request("eth_rgmii", 0, dir={"rx_clk": "-"})
        m.domains.eth0_rx = ClockDomain(reset_less=True)
        m.submodules.rx_clock = rx_clock = io.Buffer("i", pins.rx_clk)
        m.d.comb += ClockSignal("eth0_rx").eq(rx_clock.i)
        if self.rx_hz is not None:
            platform.add_clock_constraint(pins.rx_clk.io, self.rx_hz)

        m.submodules.received = received = Counter(24, "eth0_rx")
        m.submodules.sent = sent = Counter(16, "gigabit")
        m.submodules.store = store = Store()
        crossed, sent_bit = Signal(), Signal()
        m.submodules.crossing = FFSynchronizer(received.value[-1], crossed)
        m.submodules.sent_crossing = FFSynchronizer(sent.value[-1], sent_bit)
        led = platform.request("led", 0)
        m.d.comb += [received.step.eq(1), sent.step.eq(1), store.step.eq(crossed + 2 * sent_bit)]
        m.d.sync += led.o.eq(store.digest)
        return m


def small_plan(**options) -> BuildPlan:
    return make_plan(Colorlight_5A75B_R70Platform(), SmallTop(**options))
