"""Replica lists: copies, exclusion, too big, one release per entry; tables that change while frames flow."""

import random

import pytest
from opentep.gateware.egress.tables import ListHead, ListMember

ACCESS, FABRIC = 0, 1


def lists(rng, targets):
    return {
        0: (),
        3: targets[:1],
        7: tuple(rng.sample(targets, 3)),
        1023: tuple(rng.choice(targets) for _ in range(9)),
    }


@pytest.mark.parametrize("stalls", (False, True))
@pytest.mark.parametrize("width", (32, 512))
def test_access(kit, width, stalls):
    rng = random.Random(width)
    vids = tuple(rng.sample(range(1, 4095), 12))
    config = kit.Config(lists=lists(rng, vids))
    frames = []
    for _ in range(16):
        edit = rng.choice((kit.Edit.RETAG, kit.Edit.DECAP, kit.Edit.DECAP_IPV4, kit.Edit.ENCAP))
        # What is no RETAG came over the fabric, and has no tag.
        more = {} if edit == kit.Edit.RETAG else {"tagged": 0}
        members = rng.choice(list(config.lists))
        more |= {
            "is_list": rng.random() < 0.8,
            "exclude": rng.getrandbits(1) if edit != kit.Edit.DECAP_IPV4 else 0,
            "exclude_vid": rng.choice(vids),
        }
        if not more["is_list"]:
            edit, more["tagged"] = kit.Edit.RETAG, 1
        target = members if more["is_list"] else rng.choice(vids)
        frames.append(kit.frame(rng, edit, 0, rng.choice((60, 61, 128, 150)), config, target=target, **more))
    # Lists whose only member is left out.
    for _ in range(2):
        frames.append(
            kit.frame(rng, kit.Edit.RETAG, 0, 64, config, is_list=1, target=3, exclude=1, exclude_vid=vids[0])
        )
    bench = kit.Bench(
        kit.Params(width=width),
        ACCESS,
        config,
        **({"grant": 0.7, "take": 0.6, "offer": 0.5} if stalls else {}),
    )
    bench.run(frames)


@pytest.mark.parametrize("width", (32, 512))
def test_fabric(kit, width):
    rng = random.Random(width)
    params = kit.Params(width=width)
    modes = kit.modes(params)
    outers = kit.outers(rng, params, modes)
    config = kit.Config(mtu=200, outers=outers, modes=modes, lists=lists(rng, tuple(outers)))
    frames = []
    for length in (
        60,
        140,
        144,
        145,
        148,
        149,
        152,
        153,
        156,
        158,
        159,
        160,
        161,
        162,
        164,
        165,
        163,
        300,
        60,
    ):
        target = rng.choice(list(config.lists))
        # The sender's VLAN ID means nothing here, even if it equals a member.
        frames.append(
            kit.frame(
                rng,
                kit.Edit.RETAG,
                0,
                length,
                config,
                is_list=1,
                target=target,
                exclude=1,
                exclude_vid=rng.choice(list(outers)),
            )
        )
    kit.Bench(params, FABRIC, config, grant=0.9, offer=0.4).run(frames)


@pytest.mark.parametrize("width", (32, 64, 512))
def test_outer_headers_change_at_once(kit, width):
    """A frame carries the old or the new header, and the host waits for neither long."""
    rng = random.Random(width)
    params = kit.Params(width=width)
    config = kit.Config(outers=kit.outers(rng, params))
    versions = [*kit.outers(rng, params).values(), *kit.outers(rng, params).values()]
    bench = kit.Bench(params, FABRIC, config, grant=0.8, take=0.9, seed=width)
    written = [config.outers[5]]
    reads = []

    async def host(ctx):
        while not bench.run_of.enqueued:  # the bus is in use for the configuration
            await ctx.tick()
        while len(bench.run_of.frames) < len(frames):
            value = rng.choice(versions)
            await bench.transfer_words(ctx, bench.dut.outer, 5, value)
            written.append(value)
            reads.append((value, await bench.transfer_words(ctx, bench.dut.outer, 5)))
            await ctx.tick().repeat(1 + rng.randrange(40))

    frames = [kit.frame(rng, kit.Edit.ENCAP, 0, 60, config, target=5) for _ in range(60 + width)]

    async def main(ctx):
        await bench.configure(ctx)
        await bench.clock(ctx, frames, len(frames))

    bench.simulate(main, host)
    plain = {value.to_bytes(54, "little") for value in written}
    seen = set()
    for frame, got in zip(frames, bench.run_of.frames, strict=True):
        # Without what is filled in, the header is one that the host wrote.
        header = got[:14] + b"\x60" + bytes(5) + got[20:54]
        assert header in plain
        seen.add(header)
        (copy,), _ = kit.expand(frame, config, True)
        assert got[14:20] == copy[14:20] and got[54:] == copy[54:]
    assert len(seen) > 3 and len(reads) > 5
    assert all(value == read for value, read in reads)


def test_lists_change_at_once(kit):
    """Members first, then the head: a frame goes to the old members or to the new ones."""
    rng = random.Random(1)
    params = kit.Params(width=64)
    old, new = (11, 12, 13), (21, 22, 23, 24)
    config = kit.Config(lists={4: old})
    bench = kit.Bench(params, ACCESS, config, grant=0.8)
    frames = [kit.frame(rng, kit.Edit.RETAG, 0, 60, config, is_list=1, target=4) for _ in range(20)]

    async def host(ctx):
        while len(bench.run_of.frames) < 10:
            await ctx.tick()
        for index, vid in enumerate(new):
            member = ListMember.const({"target": vid, "last": index == len(new) - 1}).as_bits()
            await bench.transfer(ctx, bench.dut.members, 8 + index, member)
            assert await bench.transfer(ctx, bench.dut.members, 8 + index) == member
        head = ListHead(params).const({"valid": 1, "base": 8}).as_bits()
        await bench.transfer(ctx, bench.dut.heads, 4, head)
        assert await bench.transfer(ctx, bench.dut.heads, 4) == head

    async def main(ctx):
        await bench.configure(ctx)
        await bench.clock(ctx, frames, 3 * len(frames))

    bench.simulate(main, host)
    vids = [int.from_bytes(frame[14:16], "big") & 0xFFF for frame in bench.run_of.frames]
    switch = vids.index(21)
    assert switch % 3 == 0 and switch > 0
    assert vids == list(old) * (switch // 3) + list(new) * (20 - switch // 3)
