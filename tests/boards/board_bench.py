"""What the cocotb modules of boards share: partners at the pins, and the host software behind the UART."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass

import cocotb
from cocotb.clock import Clock
from cocotb.task import bridge, resume
from cocotb.triggers import Timer
from cocotb.utils import get_sim_time
from cocotbext.eth import GmiiFrame, RgmiiPhy
from cocotbext.uart import UartSink, UartSource
from opentep.boards.catalogue import BOARDS
from opentep.gateware.params import MIN_FRAME
from opentep.host.link.client import LinkClient
from opentep.host.registers import RegisterAccess
from opentep.host.tables import TepTables
from opentep.sim.configuration import configuration_words
from opentep.sim.mac import with_fcs
from opentep.sim.wire import pad

BOARD = BOARDS[os.environ["BOARD"]]


class _OffsetPhy(RgmiiPhy):
    """Whose oscillator is off by ``ppm``; the simulator's picoseconds are shared out."""

    def __init__(self, *pins, speed: float, ppm: float):
        self.ppm = ppm
        super().__init__(*pins, speed=speed)

    async def _run_clock(self, period):
        half = period * 500 * (1 + self.ppm * 1e-6)
        timers = {steps: Timer(steps, "ps") for steps in (int(half), int(half) + 1)}
        exact, passed = 0.0, 0
        while True:
            for level in (1, 0):
                exact += half
                steps = int(exact) - passed
                passed += steps
                await timers[steps]
                self.rx_clk.value = level


@dataclass(frozen=True)
class Received:
    """What came out of a port."""

    frame: bytes
    """Without FCS."""
    at: int
    """Start of the frame, in ps."""


class Partner:
    """The other end of a PHY's wire: frames without preamble and FCS."""

    def __init__(self, dut, number: int, *, speed: float = 1e9, ppm: float = 0.0):
        control = BOARD.ports[number].control
        names = (f"tx_data tx_{control} tx_clk rx_data rx_{control} rx_clk").split()
        pins = [getattr(dut, f"eth_rgmii_{BOARD.ports[number].number}__{name}__io") for name in names]
        self.phy = _OffsetPhy(*pins, speed=speed, ppm=ppm)
        for end in (self.phy.tx, self.phy.rx):
            end.log.setLevel(logging.WARNING)

    def send(self, frame: bytes, *, spoil: Callable[[bytes], bytes] = bytes) -> None:
        """Padded and with FCS, both of which ``spoil`` may change."""
        self.phy.rx.send_nowait(GmiiFrame.from_raw_payload(spoil(with_fcs(pad(frame)))))

    async def sent(self) -> None:
        """All that was to be sent is on the wire."""
        await self.phy.rx.wait()

    def received(self) -> list[Received]:
        """What has come out so far. Every frame must be whole and good."""
        frames = []
        while not self.phy.tx.empty():
            frame = self.phy.tx.recv_nowait()
            # The partner forgets the first octet of preamble at 1 Gb/s.
            assert frame.get_preamble() in (b"\x55" * 6 + b"\xd5", b"\x55" * 7 + b"\xd5"), (
                frame.get_preamble()
            )
            assert frame.error is None and frame.check_fcs(), frame
            assert len(frame.get_payload()) >= MIN_FRAME
            frames.append(Received(bytes(frame.get_payload()), frame.sim_time_start))
        return frames


class Line:
    """The UART as the host software's transport, for use in a bridge."""

    def __init__(self, dut):
        self._source = UartSource(dut.uart_0__rx__io, baud=BOARD.baud)
        self._sink = UartSink(dut.uart_0__tx__io, baud=BOARD.baud)
        for end in (self._source, self._sink):
            end.log.setLevel(logging.WARNING)

    @resume
    async def read(self, timeout: float) -> bytes:
        if self._sink.empty():
            await self._sink.wait(max(1, round(timeout * 1e9)), "ns")
        return bytes(self._sink.read_nowait())

    @resume
    async def write(self, octets: bytes) -> None:
        self._source.write_nowait(octets)

    def close(self) -> None:
        """It belongs to the test bench."""


class Host:
    """The unmodified host software behind the UART, in simulated time."""

    def __init__(self, dut):
        self._client = LinkClient(Line(dut), timeout=0.02, clock=lambda: get_sim_time("ns") * 1e-9)
        self._registers: RegisterAccess | None = None

    async def do(self, action: Callable):
        """Run ``action``, which gets a :class:`RegisterAccess`."""

        def blocking():
            if self._registers is None:
                self._registers = RegisterAccess(self._client)
            return action(self._registers)

        return await bridge(blocking)()

    async def configure(self, tables: TepTables) -> None:
        """Write what a driver would, which would read the whole TEP first: seconds of simulated time."""
        words = configuration_words(BOARD.params, tables)
        starts = [n for n in range(len(words)) if n == 0 or words[n][0] != words[n - 1][0] + 1]
        runs = [words[start:end] for start, end in zip(starts, [*starts[1:], len(words)], strict=True)]

        def write(registers: RegisterAccess) -> None:
            for run in runs:
                self._client.write(run[0][0], [value for _, value in run])

        await self.do(write)


async def power_up(dut, *, ppm: float = 0.0) -> None:
    """The board's oscillator runs, and the PLL locks."""
    period = round(1e12 / BOARD.oscillator_hz * (1 + ppm * 1e-6))
    clock = getattr(dut, os.environ["OSCILLATOR"])
    cocotb.start_soon(Clock(clock, period - period % 2, "ps").start())
    await Timer(100, "us")
