"""Every reference is released or becomes the host's, at once; one of the host's at a time."""

import random
from collections import deque

import pytest
from amaranth.sim import Simulator
from opentep.gateware.egress.excess import Excess
from opentep.gateware.headers import Drop
from opentep.gateware.params import Params

PARAMS = Params(access_ports=3)
TOO_BIG = 1 << Drop.TOO_BIG.value


class Bench:
    """Jobs at random: they end some clocks after they were accepted, in order."""

    def __init__(self, interest: dict[str, int], interval: int, seed: int):
        self.rng = random.Random(seed)
        self.dut = Excess(PARAMS)
        self.interest, self.interval = interest, interval
        self.released: list[int] = []
        self.host: list[tuple[int, int, int, int]] = []
        self.jobs: list[tuple[int, bool]] = []
        """Heads of all, and whether the host was to get them."""
        self.asked: list[tuple[int, int, int, int]] = []
        """What it was to get."""
        self.candidates = self.wanted = self.lost = 0

    async def run(self, ctx) -> None:
        dut = self.dut
        ctx.set(dut.interest, self.interest)
        ctx.set(dut.interval, self.interval)
        held: deque[tuple[int, bool]] = deque()
        for clock in range(3000):
            self._offer(ctx, held, draining=clock > 2900)
            sampled = ctx.tick().sample(
                *(dut.too_big, dut.kept, dut.lost, dut.released.valid, dut.released.ready),
                *(dut.release.valid, dut.release.payload, dut.frame.valid, dut.frame.payload),
                *(dut.release.ready, dut.frame.ready, dut.length, dut.port),
            )
            (
                _,
                _,
                too_big,
                keep,
                lost,
                ends,
                taken,
                gives,
                head,
                offers,
                frame,
                ready,
                takes,
                length,
                port,
            ) = await sampled
            if too_big:
                job = (len(self.jobs) % PARAMS.cells, bool(keep))
                self.jobs.append(job)
                held.append(job)
                wants = self._wants(port)
                assert keep <= wants and lost == (wants and not keep)
                self.wanted, self.lost = self.wanted + wants, self.lost + lost
                if keep:
                    self.asked.append((job[0], length, port, not self.interest["always"]))
            if ends and taken:
                held.popleft()
            assert not ends or taken or not held[0][1], "what the host gets waits for nobody"
            if gives and ready:
                self.released.append(head)
            if offers and takes:
                self.host.append((frame.head, frame.length, frame.port, frame.is_sample))
        assert not held

    def _offer(self, ctx, held: deque[tuple[int, bool]], draining: bool) -> None:
        dut, rng = self.dut, self.rng
        ctx.set(dut.too_big, not draining and len(held) < 10 and rng.random() < 0.3)
        ctx.set(dut.length, rng.getrandbits(14))
        ctx.set(dut.port, rng.randrange(3))
        ctx.set(dut.kept, ctx.get(dut.keep))
        ctx.set(dut.release.ready, rng.random() < 0.6)
        ctx.set(dut.frame.ready, draining or rng.random() < 0.1)
        # One that is on offer stays so.
        ctx.set(dut.released.valid, bool(held) and (ctx.get(dut.released.valid) or rng.random() < 0.4))
        if held:
            head, keep = held[0]
            ctx.set(dut.released.payload, {"head": head, "keep": keep})

    def _wants(self, port: int) -> bool:
        if self.interest["always"]:
            return True
        if not self.interest["sampled"] & TOO_BIG or not self.interest["ports"] >> port & 1:
            return False
        self.candidates += 1
        return self.candidates % self.interval == 1 % self.interval


@pytest.mark.parametrize(
    ("interest", "interval"),
    [
        ({"always": TOO_BIG, "sampled": TOO_BIG, "ports": 0}, 5),
        ({"always": 0, "sampled": TOO_BIG, "ports": 0b101}, 1),
        ({"always": 0, "sampled": TOO_BIG, "ports": 0b011}, 3),
        ({"always": 0, "sampled": 0x7FFF & ~TOO_BIG, "ports": 0b111}, 1),
    ],
)
def test_references(interest: dict[str, int], interval: int) -> None:
    bench = Bench(interest, interval, seed=interval)
    simulator = Simulator(bench.dut)
    simulator.add_clock(8e-9)
    simulator.add_testbench(bench.run)
    simulator.run()
    assert bench.released == [head for head, keep in bench.jobs if not keep]
    assert bench.host == bench.asked and len(bench.host) == bench.wanted - bench.lost
    if bench.wanted:
        assert len(bench.host) > 10 and bench.lost > 10
