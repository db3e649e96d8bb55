"""Reference counts under full load from all ports."""

import random

import pytest
from amaranth.sim import Simulator
from opentep.gateware.memory.references import References


@pytest.mark.parametrize("load", [0.3, 1.0])
@pytest.mark.parametrize("ports", [2, 5])
def test_each_frame_is_done_once_after_its_last_release(ports, load):
    cells = 16
    dut = References(cells, ports)
    rng = random.Random(ports)
    finished = []

    async def bench(ctx):
        idle = list(range(1, cells))
        open_references = {}
        ending = set()
        commit, waited = None, 0
        offers = [None] * ports
        for _ in range(800):
            if commit is None and idle and rng.random() < load:
                commit = {"head": idle.pop(rng.randrange(len(idle))), "references": rng.randint(0, ports)}
            if commit is None and rng.random() < 0.1:
                commit = {"head": 0, "references": 0}
            ctx.set(dut.commit.valid, commit is not None)
            if commit is not None:
                ctx.set(dut.commit.payload, commit)
            for port in range(ports):
                # Few frames at a time, so that releases of the same frame come close together.
                waiting = [head for head, count in open_references.items() if count][:2]
                if offers[port] is None and waiting and rng.random() < load:
                    offers[port] = rng.choice(waiting)
                    open_references[offers[port]] -= 1
                ctx.set(dut.release[port].valid, offers[port] is not None)
                ctx.set(dut.release[port].payload, offers[port] or 0)
            accepted = commit is not None and ctx.get(dut.commit.ready)
            taken = [offers[port] is not None and ctx.get(dut.release[port].ready) for port in range(ports)]
            if ctx.get(dut.done.valid):
                head = ctx.get(dut.done.payload)
                assert head in ending, f"frame {head} ended too early or twice"
                ending.remove(head)
                idle.append(head)
                finished.append(head)
            await ctx.tick()
            waited = 0 if accepted or commit is None else waited + 1
            assert waited <= 4
            if accepted:
                if commit["references"]:
                    open_references[commit["head"]] = commit["references"]
                elif commit["head"]:
                    ending.add(commit["head"])
                commit = None
            for port in range(ports):
                if taken[port]:
                    head, offers[port] = offers[port], None
                    if open_references[head] == 0 and head not in offers:
                        del open_references[head]
                        ending.add(head)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert len(finished) > 60
