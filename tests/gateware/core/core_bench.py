"""What the cocotb modules of the core share: clock, configuration, and wires at the core's pins."""

import json
import os
from fractions import Fraction

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from opentep.gateware.packet import Word
from opentep.gateware.params import Params
from opentep.host.tables import TepTables
from opentep.sim.configuration import configuration_words

PARAMS = Params(**json.loads(os.environ["PARAMS"]))
WIRE_OVERHEAD = 8 + 4 + 12
"""Preamble, FCS and gap, in octets."""


def pack(data: bytes, last: bool) -> int:
    word = Word(PARAMS.width)
    value = int.from_bytes(data, "little")
    return word.const({"data": value, "count": len(data), "last": last, "error": 0}).as_bits()


def unpack(bits: int) -> tuple[bytes, bool, bool]:
    word = Word(PARAMS.width).from_bits(bits)
    return (
        int(word.data).to_bytes(PARAMS.word_bytes, "little")[: int(word.count)],
        bool(word.last),
        bool(word.error),
    )


class Wire:
    """Time of a port in clocks, at a rate of octets per clock."""

    def __init__(self, rate: Fraction):
        self.rate = rate

    def clocks(self, octets: int) -> int:
        return -(-octets // self.rate)


async def write_registers(dut, words):
    for address, value in words:
        dut.bus__addr.value = address
        dut.bus__w_data.value = value
        dut.bus__w_stb.value = 1
        await RisingEdge(dut.clk)
        while True:
            await RisingEdge(dut.clk)
            if dut.bus__ack.value:
                break
        assert not int(dut.bus__error.value), f"write of {address:#x} failed"
        dut.bus__w_stb.value = 0
        await RisingEdge(dut.clk)


async def read_register(dut, address) -> int:
    dut.bus__addr.value = address
    dut.bus__r_stb.value = 1
    await RisingEdge(dut.clk)
    while True:
        await RisingEdge(dut.clk)
        if dut.bus__ack.value:
            break
    word = int(dut.bus__r_data.value)
    dut.bus__r_stb.value = 0
    await RisingEdge(dut.clk)
    return word


async def send(dut, port: int, frames: list[bytes], wire: Wire):
    """Frames back to back; each word appears when its last octet has left the wire."""
    valid, payload = getattr(dut, f"rx__{port}__valid"), getattr(dut, f"rx__{port}__payload")
    octets = 0  # on the wire since the start
    clock = 0
    step = PARAMS.word_bytes
    for frame in frames:
        for offset in range(0, len(frame), step):
            data = frame[offset : offset + step]
            due = wire.clocks(octets + offset + len(data))
            if due - clock > 1:
                valid.value = 0
                await ClockCycles(dut.clk, due - clock - 1)
                clock = due - 1
            valid.value = 1
            payload.value = pack(data, offset + step >= len(frame))
            await RisingEdge(dut.clk)
            clock += 1
        octets += len(frame) + WIRE_OVERHEAD
    valid.value = 0


async def receive(dut, port: int, wire: Wire, frames: list[bytes]):
    """Takes words as fast as the wire carries them."""
    valid, payload, ready = (getattr(dut, f"tx__{port}__{name}") for name in ("valid", "payload", "ready"))
    frame = b""
    while True:
        ready.value = 1
        await RisingEdge(dut.clk)
        if not int(valid.value):
            continue
        data, last, error = unpack(int(payload.value))
        assert not error
        frame += data
        busy = len(data)
        if last:
            busy += WIRE_OVERHEAD
            frames.append(frame)
            frame = b""
        pause = wire.clocks(busy) - 1
        if pause > 0:
            ready.value = 0
            await ClockCycles(dut.clk, pause)


async def start(dut, tables: TepTables):
    """Reset, table clearing, configuration."""
    for port in range(PARAMS.ports):
        getattr(dut, f"rx__{port}__valid").value = 0
        getattr(dut, f"tx__{port}__ready").value = 0
    await configure(dut, tables)


async def configure(dut, tables: TepTables, period_ns: int = 8):
    """The same for whatever stands at the ports."""
    dut.bus__w_stb.value = 0
    dut.bus__r_stb.value = 0
    dut.second.value = 0
    dut.storm__tick.value = 0
    dut.storm__exponent.value = 0
    dut.rst.value = 1
    cocotb.start_soon(Clock(dut.clk, period_ns, "ns").start())
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    await write_registers(dut, configuration_words(PARAMS, tables))


async def idle(dut):
    """Until nothing is left inside the core."""
    for _ in range(1000):
        await ClockCycles(dut.clk, 100)
        if not int(dut.busy.value):
            return
    raise AssertionError("the core is still busy 100,000 clocks after the last frame")
