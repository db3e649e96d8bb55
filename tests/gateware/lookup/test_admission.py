"""Every frame's keys come out once, source before destination, masked by the rules of its port."""

import random
from collections import deque
from itertools import pairwise

import pytest
from amaranth.sim import Simulator
from opentep.gateware.headers import Keys
from opentep.gateware.lookup.admission import Admission
from opentep.gateware.lookup.tables import TenantKey
from opentep.gateware.params import Params

COUNT = 200


def random_keys(rng):
    return {
        "dst": rng.getrandbits(48),
        "src": rng.getrandbits(48),
        "vid": rng.getrandbits(12),
        "outer_src": rng.getrandbits(128),
        "is_network": rng.randrange(2),
        "network": rng.getrandbits(24),
    }


@pytest.mark.parametrize("ports", [(1, 1), (3, 2)], ids=["1+1", "3+2"])
@pytest.mark.parametrize("offer, room", [(0.1, 1), (1, 1), (0.7, 0.4)])
def test_admission(ports, offer, room):
    params = Params(access_ports=ports[0], fabric_ports=ports[1])
    rng = random.Random(1)
    dut = Admission(params)
    waiting = [deque(random_keys(rng) for _ in range(COUNT)) for _ in range(params.ports)]
    masks = [{"mac": rng.getrandbits(48), "vid": rng.getrandbits(12)} for _ in range(params.ports)]
    admitted = deque()
    keys_out, clocks = [], 0

    async def bench(ctx):
        nonlocal clocks
        for port, mask in enumerate(masks):
            ctx.set(dut.key_mask[port], TenantKey.const(mask))
        offered = [False] * params.ports
        has_room = had_room = (1 << params.ports) - 1
        while any(waiting) or len(keys_out) < 2 * COUNT * params.ports:
            clocks += 1
            assert clocks < 40 * COUNT * params.ports
            for port, queue in enumerate(waiting):
                offered[port] = bool(queue) and (offered[port] or rng.random() < offer)
                ctx.set(dut.keys[port].valid, offered[port])
                if offered[port]:
                    ctx.set(dut.keys[port].payload, Keys.const(queue[0]))
            ctx.set(dut.room, has_room)
            taken = [port for port in range(params.ports) if ctx.get(dut.keys[port].ready)]
            assert ctx.get(dut.admitted) == sum(1 << port for port in taken)
            assert len(taken) <= 1
            for port in taken:
                assert offered[port] and had_room >> port & 1
                admitted.append((port, waiting[port].popleft()))
                offered[port] = False
            if ctx.get(dut.frame.valid):
                assert ctx.get(dut.key.valid)
                port, keys = admitted[0]
                frame = ctx.get(dut.frame.payload)
                assert (frame.port, frame.vid, frame.outer_src) == (port, keys["vid"], keys["outer_src"])
            if ctx.get(dut.key.valid):
                port, keys = admitted[0]
                is_source = ctx.get(dut.frame.valid)
                assert is_source == (len(keys_out) % 2 == 0)
                mac = keys["src" if is_source else "dst"]
                key = ctx.get(dut.key.payload)
                assert key.mac == mac
                if keys["is_network"]:
                    assert (key.tenant.mac, key.tenant.vid) == (1 << 40 | keys["network"], 0)
                else:
                    masked = (mac & masks[port]["mac"], keys["vid"] & masks[port]["vid"])
                    assert (key.tenant.mac, key.tenant.vid) == masked
                assert key.group == (not is_source and mac >> 40 & 1)
                if not is_source:
                    admitted.popleft()
                keys_out.append(clocks)
            had_room = has_room
            has_room = sum((rng.random() < room) << port for port in range(params.ports))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    if offer == room == 1:
        # One key per clock as long as somebody asks, but for short gaps now and then.
        busy = keys_out[: COUNT * params.ports]
        gaps = [(before, after) for before, after in pairwise(busy) if after != before + 1]
        assert all(after - before <= 5 for before, after in gaps)
        for (_, start), (end, _) in pairwise([(0, busy[0]), *gaps]):
            assert dut.STREAK <= end + 1 - start <= dut.STREAK + 4
        assert len(gaps) == len(busy) // (dut.STREAK + 2)
