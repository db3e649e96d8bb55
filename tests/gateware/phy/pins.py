"""cocotb module: GMII and MII pins, receive or transmit by the environment's ``WAY``, at all speeds in any order."""

import logging
import os
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from cocotbext.eth import GmiiFrame, GmiiSink, GmiiSource

RECEIVES = os.environ["WAY"] == "receive"


def frames(rng, count):
    made = []
    for _ in range(count):
        frame = GmiiFrame(b"\x55" * 7 + b"\xd5" + rng.randbytes(rng.choice((1, 2, 60, 64, 200))))
        frame.normalize()
        if rng.random() < 0.3:
            frame.error[rng.randrange(8, len(frame.data))] = 1
        made.append(frame)
    return made


def content(frame):
    errors = frame.error or [0] * len(frame.data)
    return list(zip(frame.data, errors, strict=True))


async def start(dut):
    logging.getLogger("cocotb").setLevel(logging.WARNING)
    dut.rst.value = 1
    cocotb.start_soon(Clock(dut.clk, 8, "ns").start())
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 4)


async def received(dut, packets):
    packet = []
    while True:
        await RisingEdge(dut.clk)
        if int(dut.rx__enable.value):
            if int(dut.rx__valid.value):
                packet.append((int(dut.rx__data.value), int(dut.rx__error.value)))
            elif packet:
                packets.append(packet)
                packet = []


@cocotb.test(skip=not RECEIVES)
async def receive(dut):
    rng = random.Random(1)
    source = GmiiSource(dut.pins__data, dut.pins__error, dut.pins__valid, dut.clk)
    packets = []
    await start(dut)
    cocotb.start_soon(received(dut, packets))
    for _ in range(12):
        speed = rng.randrange(3)
        dut.speed.value = speed
        source.mii_mode = speed < 2
        await ClockCycles(dut.clk, 4)
        packets.clear()
        sent = frames(rng, 8)
        source.ifg = rng.choice((1, 5, 12, 24))
        for frame in sent:
            await source.send(GmiiFrame(bytearray(frame.data), list(frame.error)))
        await source.wait()
        await ClockCycles(dut.clk, 10)
        assert packets == [content(frame) for frame in sent]


async def give(dut, octets):
    while True:
        await RisingEdge(dut.clk)
        if int(dut.tx__enable.value):
            octet = octets.pop(0) if octets else None
            dut.tx__valid.value = octet is not None
            dut.tx__data.value, dut.tx__error.value = octet or (0, 0)


@cocotb.test(skip=RECEIVES)
async def transmit(dut):
    rng = random.Random(2)
    dut.tx__valid.value = dut.tx__error.value = dut.tx__data.value = 0
    sink = GmiiSink(dut.pins__data, dut.pins__error, dut.pins__valid, dut.clk)
    octets = []
    await start(dut)
    cocotb.start_soon(give(dut, octets))
    for _ in range(12):
        speed = rng.randrange(3)
        dut.speed.value = speed
        sink.mii_mode = speed < 2
        await ClockCycles(dut.clk, 8)
        sent = frames(rng, 8)
        for frame in sent:
            octets += [*content(frame), *[None] * rng.choice((5, 6, 12))]
        for frame in sent:
            # The partner forgets the first octet of preamble at 1 Gb/s.
            got = content(await with_timeout(sink.recv(compact=False), 20, "us"))
            assert got[-len(frame.data) + 7 :] == content(frame)[7:]
        await ClockCycles(dut.clk, 40)
