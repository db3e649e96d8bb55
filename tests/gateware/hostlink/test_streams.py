"""The stream blocks of the link alone, with random stalls on both sides, against the host's code."""

import random
import zlib

import pytest
from amaranth.sim import Simulator
from opentep.gateware.hostlink.cobs import CobsDecoder, CobsEncoder, Event
from opentep.gateware.hostlink.crc32 import Crc32Appender
from opentep.gateware.hostlink.engine import LastWord
from opentep.gateware.hostlink.reply import ReplyFramer, WordSplitter
from opentep.gateware.hostlink.ring import Ring
from opentep.host.link.protocol import FrameError, cobs_decode, cobs_encode


def run(source, sink, dut, items, count, *, seed=0, extra=None):
    """Feed ``items`` and collect ``count`` payloads. Payloads must not change while they wait."""
    rng = random.Random(seed)
    fast_in, fast_out = rng.choice([(1.0, 1.0), (0.5, 0.5), (1.0, 0.3), (0.3, 1.0)])
    collected = []
    sim = Simulator(dut)
    sim.add_clock(1e-8)

    async def feed(ctx):
        for item in items:
            while rng.random() >= fast_in:
                await ctx.tick()
            ctx.set(source.payload, item)
            ctx.set(source.valid, 1)
            await ctx.tick().until(source.ready)
            ctx.set(source.valid, 0)

    async def collect(ctx):
        held = None
        idle = 0
        while len(collected) < count or idle < 100:
            ready = rng.random() < fast_out
            ctx.set(sink.ready, ready)
            _, _, valid, payload = await ctx.tick().sample(sink.valid, sink.payload)
            payload = (
                payload if isinstance(payload, int) else {k: payload[k] for k in payload.shape().members}
            )
            assert held is None or (valid and payload == held)
            held = payload if valid and not ready else None
            idle = 0 if valid else idle + 1
            if valid and ready:
                collected.append(payload)
            assert idle < 5000, f"{len(collected)} of {count}"

    sim.add_testbench(feed, background=True)
    sim.add_testbench(collect)
    sim.run()
    return collected


def frames(rng):
    lengths = [1, 2, 3, 20, 253, 254, 255, 256, 300, 509]
    for _ in range(8):
        length = rng.choice(lengths)
        kind = rng.randrange(4)
        if kind == 0:
            yield bytes(rng.randrange(1, 256) for _ in range(length))
        elif kind == 1:
            yield bytes(rng.choice([0, 0, 1]) for _ in range(length))
        elif kind == 2:
            yield bytes([255]) * (length - 1) + b"\0"
        else:
            yield rng.randbytes(length)


def marked(contents):
    return [{"data": o, "last": k == len(c) - 1} for c in contents for k, o in enumerate(c)]


@pytest.mark.parametrize("seed", range(4))
def test_encoder(seed):
    contents = list(frames(random.Random(seed)))
    expected = b"".join(cobs_encode(content) + b"\0" for content in contents)
    dut = CobsEncoder(512)
    octets = bytes(run(dut.input, dut.output, dut, marked(contents), len(expected), seed=seed))
    assert [cobs_decode(frame) for frame in octets.split(b"\0")[:-1]] == contents
    assert len(octets) == len(expected)


@pytest.mark.parametrize("seed", range(4))
def test_decoder(seed):
    """Good frames come out, cut or garbled ones end in BROKEN, and repeated delimiters mean nothing."""
    rng = random.Random(seed)
    octets, expected = bytearray(), []
    for content in frames(rng):
        encoded = cobs_encode(content)
        if rng.random() < 0.4:
            encoded = encoded[: rng.randrange(1, len(encoded) + 1)]
        octets += encoded + b"\0" * rng.choice([1, 1, 3])
        try:
            expected.append((cobs_decode(encoded), Event.END))
        except FrameError:
            expected.append((None, Event.BROKEN))
    dut = CobsDecoder()
    pieces, found = bytearray(), []
    for item in run(dut.input, dut.output, dut, octets, 0, seed=seed):
        if item["event"] is Event.OCTET:
            pieces.append(item["data"])
        else:
            found.append((bytes(pieces) if item["event"] is Event.END else None, item["event"]))
            pieces.clear()
    assert found == expected


@pytest.mark.parametrize("seed", range(3))
def test_crc_is_appended(seed):
    contents = list(frames(random.Random(seed)))[:4]
    expected = marked([c + zlib.crc32(c).to_bytes(4, "little") for c in contents])
    dut = Crc32Appender()
    assert run(dut.input, dut.output, dut, marked(contents), len(expected), seed=seed) == expected


@pytest.mark.parametrize("seed", range(3))
def test_words_are_split(seed):
    rng = random.Random(seed)
    words = [{"data": rng.getrandbits(32), "last": rng.getrandbits(1)} for _ in range(50)]
    expected = [
        {"data": w["data"] >> 8 * k & 0xFF, "last": w["last"] if k == 3 else 0}
        for w in words
        for k in range(4)
    ]
    dut = WordSplitter()
    assert run(dut.input, dut.output, dut, words, len(expected), seed=seed) == expected


def test_reply_framer():
    rng = random.Random(5)
    replies = [
        [rng.choice([0, rng.getrandbits(32)]) for _ in range(rng.choice([2, 3, 66]))] for _ in range(6)
    ]
    words = [{"data": w, "last": k == len(r) - 1} for r in replies for k, w in enumerate(r)]
    contents = [b"".join(w.to_bytes(4, "little") for w in reply) for reply in replies]
    expected = b"".join(cobs_encode(c + zlib.crc32(c).to_bytes(4, "little")) + b"\0" for c in contents)
    dut = ReplyFramer()
    assert LastWord.as_shape().size == 33
    assert bytes(run(dut.words, dut.octets, dut, words, len(expected), seed=5)) == expected


def test_ring_delivers_in_order_what_is_final():
    dut = Ring(16, 16)
    rng = random.Random(6)
    sim = Simulator(dut)
    sim.add_clock(1e-8)
    sent, received = [], []

    async def write(ctx):
        head = 0
        while len(sent) < 200:
            ctx.set(dut.limit, head % 16)
            free = (ctx.get(dut.tail) - head - 1) % 16
            if free and rng.random() < 0.5:
                value = rng.getrandbits(16)
                ctx.set(dut.w_en, 1)
                ctx.set(dut.w_addr, head % 16)
                ctx.set(dut.w_data, value)
                sent.append(value)
                head += 1
            await ctx.tick()
            ctx.set(dut.w_en, 0)
        ctx.set(dut.limit, head % 16)

    async def read(ctx):
        while len(received) < 200:
            ctx.set(dut.output.ready, rng.random() < 0.7)
            _, _, valid, ready, value = await ctx.tick().sample(
                dut.output.valid, dut.output.ready, dut.output.payload
            )
            if valid and ready:
                received.append(value)

    sim.add_testbench(write)
    sim.add_testbench(read)
    sim.run()
    assert received == sent
