"""Drives a parser or queue clock by clock, with random stalls, and watches the stream rules."""

import random
from dataclasses import dataclass, field

import pytest
from amaranth.hdl import Cat, Const, Value
from amaranth.sim import Simulator


@dataclass
class Frame:
    octets: bytes
    error: bool = False


@dataclass
class Outcome:
    """What left the device: frames with their error flag, keys, headers, and the clocks at which that happened."""

    frames: list[Frame] = field(default_factory=list)
    keys: list = field(default_factory=list)
    headers: list = field(default_factory=list)
    last_at: list[int] = field(default_factory=list)
    keys_at: list[int] = field(default_factory=list)
    header_at: list[int] = field(default_factory=list)
    taken_at: list[int] = field(default_factory=list)
    dropped: int = 0
    clocks: int = 0

    @property
    def parsed(self) -> list[dict]:
        """Fields of keys and header of each frame; what both have must be equal."""
        assert len(self.keys) == len(self.headers)
        result = []
        for keys, header in zip(self.keys, self.headers, strict=True):
            fields = {name: header[name] for name, _ in header.shape()}
            fields |= {name: keys[name] for name, _ in keys.shape() if name not in fields}
            result.append(fields | {"keys_vid": keys["vid"]})
        return result


def words_of(frame: Frame, width: int, rng: random.Random) -> list[int]:
    """Words of a frame as integers; octets behind the end are garbage."""
    octets = width // 8
    count_bits = octets.bit_length()
    words = []
    for start in range(0, len(frame.octets), octets):
        part = frame.octets[start : start + octets]
        last = start + octets >= len(frame.octets)
        padded = part + rng.randbytes(octets - len(part))
        error = frame.error if last else rng.getrandbits(1)
        tail = len(part) | last << count_bits | error << (count_bits + 1)
        words.append(int.from_bytes(padded, "little") | tail << width)
    return words


class _Sink:
    """Takes a stream's transfers with random stalls and checks that an offer stays as it is."""

    def __init__(self, stream, stall: float, rng: random.Random, closed_until: int):
        self.stream = stream
        self._layout = stream.payload.shape()
        self.observed = Cat(stream.valid, Value.cast(stream.payload))
        self._stall = stall
        self._rng = rng
        self._closed_until = closed_until
        self._offer = None
        self.valid = False
        self.ready = False
        self.taken: list = []
        self.offered_at: list[int] = []

    def choose(self, clock: int) -> None:
        self.ready = clock >= self._closed_until and self._rng.random() >= self._stall

    def sample(self, observed: int, clock: int):
        """The payload transferred in this clock, or None; kept in ``taken``."""
        observed &= (1 << len(self.observed)) - 1
        self.valid = bool(observed & 1)
        if self._offer is not None:
            assert observed == self._offer, "an offer was withdrawn or changed"
        self._offer = observed if self.valid and not self.ready else None
        if self.valid and len(self.offered_at) == len(self.taken):
            self.offered_at.append(clock)
        if not (self.valid and self.ready):
            return None
        self.taken.append(self._layout.from_bits(observed >> 1))
        return self.taken[-1]


class Bench:
    """Runs frames through a block with ``input``, ``output`` and perhaps ``keys`` and ``header``."""

    Frame = Frame

    def run(
        self,
        dut,
        frames: list[Frame],
        *,
        seed: int = 0,
        gap: float = 0.0,
        stall: float = 0.0,
        header_stall: float = 0.0,
        output_until: int = 0,
        header_until: int = 0,
        keys_until: int = 0,
        config: dict[str, int] | None = None,
    ) -> Outcome:
        """Feed ``frames``, collect until all have left.

        ``gap`` and the stalls are probabilities per clock, ``header_stall`` that of the keys too; until the
        given clocks a sink takes nothing at all.
        """
        rng = random.Random(seed)
        outcome = Outcome()
        width = dut.params.width
        words = [word for frame in frames for word in words_of(frame, width, rng)]
        last_bit = 1 << (width + (width // 8).bit_length())
        always_ready = dut.input.signature.always_ready
        sinks = [_Sink(dut.output, stall, rng, output_until)]
        if hasattr(dut, "header"):
            sinks.append(_Sink(dut.header, header_stall, rng, header_until))
            sinks.append(_Sink(dut.keys, header_stall, rng, keys_until))
            outcome.headers, outcome.header_at = sinks[1].taken, sinks[1].offered_at
            outcome.keys, outcome.keys_at = sinks[2].taken, sinks[2].offered_at
        # One assignment and one look per clock: each costs the simulator a round of its own.
        driven = Cat(
            *(sink.stream.ready for sink in sinks),
            dut.input.valid,
            Value.cast(dut.input.payload),
        )
        dropped = dut.dropped if hasattr(dut, "dropped") else Const(0)
        accepting = Const(1) if always_ready else dut.input.ready
        observed = Cat(accepting, dropped, *(sink.observed for sink in sinks))
        limit = output_until + header_until + keys_until + 200 + 40 * len(words) + 40 * len(frames)

        async def bench(ctx):
            for name, value in (config or {}).items():
                ctx.set(getattr(dut, name), value)
            position, offering, current, idle, payload = 0, False, bytearray(), 0, 0
            while idle < 10 or outcome.clocks < output_until:
                assert outcome.clocks < limit, "the block is stuck"
                if not offering and position < len(words) and rng.random() >= gap:
                    offering, payload = True, words[position]
                stimulus = payload << 1 | offering
                for sink in reversed(sinks):
                    sink.choose(outcome.clocks)
                    stimulus = stimulus << 1 | sink.ready
                ctx.set(driven, stimulus)
                seen = ctx.get(observed)
                moved = offering
                if offering and seen & 1:
                    if payload & last_bit:
                        outcome.taken_at.append(outcome.clocks)
                    position, offering = position + 1, False
                outcome.dropped += seen >> 1 & 1
                seen >>= 2
                transfers = []
                for sink in sinks:
                    transfers.append(sink.sample(seen, outcome.clocks))
                    moved |= sink.valid
                    seen >>= len(sink.observed)
                if (word := transfers[0]) is not None:
                    size = word["count"] if word["last"] else width // 8
                    current += word["data"].to_bytes(width // 8, "little")[:size]
                    if word["last"]:
                        outcome.frames.append(Frame(bytes(current), bool(word["error"])))
                        outcome.last_at.append(outcome.clocks)
                        current = bytearray()
                idle = 0 if moved or position < len(words) else idle + 1
                await ctx.tick()
                outcome.clocks += 1
            assert not current, "a frame has no end"

        simulator = Simulator(dut)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()
        return outcome


@pytest.fixture(scope="session")
def bench() -> Bench:
    return Bench()
