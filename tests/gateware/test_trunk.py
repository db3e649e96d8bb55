"""Frames come out whole and in order at the side that their EtherType says, whatever their length and spacing."""

import random

import pytest
from amaranth.sim import Simulator
from opentep.gateware.trunk import TrunkSplit

HEAD = bytes(range(12))


def frames_of(rng: random.Random) -> list[bytes]:
    every_length = [HEAD[:n] for n in range(1, 13)] + [HEAD + b"\x81"]
    types = [b"\x81\x00", b"\x81\x01", b"\x86\xdd", b"\x00\x81", b"\x88\xa8"]
    for kind in types:
        every_length += [HEAD + kind + rng.randbytes(n) for n in (0, 1, 2, 3, 4, 46, 200)]
    return [rng.choice(every_length) for _ in range(150)] + every_length


def is_tagged(frame: bytes) -> bool:
    return frame[12:14] == b"\x81\x00"


@pytest.mark.parametrize("width", [32, 64, 128, 512])
@pytest.mark.parametrize("density", [1.0, 0.3])
def test_every_frame_takes_its_side(width, density):
    rng = random.Random(width)
    dut = TrunkSplit(width)
    sent = [(frame, rng.random() < 0.2) for frame in frames_of(rng)]
    received = {"tagged": [], "untagged": []}
    octets = width // 8

    async def bench(ctx):
        pending = [
            (frame[at : at + octets], at + octets >= len(frame), error)
            for frame, error in sent
            for at in range(0, len(frame), octets)
        ]
        collected = dict.fromkeys(received, b"")
        idle = 0
        while idle < 40:
            goes = bool(pending) and rng.random() < density
            ctx.set(dut.input.valid, goes)
            if goes:
                data, last, error = pending.pop(0)
                # What is behind the last octet means nothing, and must not be taken for a tag.
                padded = data + b"\x81\x00" * octets
                word = {
                    "data": int.from_bytes(padded[:octets], "little"),
                    "count": len(data),
                    "last": last,
                    "error": last and error,
                }
                ctx.set(dut.input.payload, word)
            idle = 0 if pending else idle + 1
            for side in received:
                output = getattr(dut, side)
                if ctx.get(output.valid):
                    word = ctx.get(output.payload)
                    collected[side] += word.data.to_bytes(octets, "little")[: word.count]
                    if word.last:
                        received[side].append((collected[side], bool(word.error)))
                        collected[side] = b""
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert received["tagged"] == [item for item in sent if is_tagged(item[0])]
    assert received["untagged"] == [item for item in sent if not is_tagged(item[0])]
