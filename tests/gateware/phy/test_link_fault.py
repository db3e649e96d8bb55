"""Link fault signalling: what is believed when, against figure 46-9 in Python; and what is sent then."""

import random

import pytest
from amaranth.sim import Simulator
from opentep.gateware.phy.link_fault import LinkFault, LinkFaultDetector, LinkFaultReply
from opentep.gateware.phy.xgmii import IDLE_LANES, Control
from opentep.sim.mac import START, Packet
from opentep.sim.xgmii import lanes_of, packets_on, words_of

IDLE = int.from_bytes(bytes(IDLE_LANES), "little"), 0xFF
NONE, LOCAL, REMOTE = (fault.value for fault in LinkFault)


def column_of(kind):
    """Data and control of four lanes."""
    return (Control.SEQUENCE | kind << 24, 1) if kind else (IDLE[0] & 0xFFFFFFFF, 0xF)


def word_of(kinds):
    (low, low_control), (high, high_control) = map(column_of, kinds)
    return low | high << 32, low_control | high_control << 4


def detect(words):
    """The fault three clocks behind each word."""
    dut = LinkFaultDetector()
    found = []
    simulator = Simulator(dut)
    simulator.add_clock(6.4e-9)

    async def bench(ctx):
        for data, control in [*words, *[IDLE] * 2]:
            ctx.set(dut.xgmii.data, dut.xgmii.data.shape().from_bits(data))
            ctx.set(dut.xgmii.control, control)
            await ctx.tick()
            found.append(LinkFault(ctx.get(dut.fault)).value)

    simulator.add_testbench(bench)
    simulator.run()
    return found[2:]


def expected(columns):
    """Figure 46-9, but that 128 columns end with a word. One value per word."""
    fault, last, count, silent, found = NONE, NONE, 0, 0, []
    for at, kind in enumerate(columns):
        if kind:
            count = min(count + 1, 4) if kind == last else 1
            last = kind
        if at % 2:
            silent = 0 if kind or columns[at - 1] else silent + 1
            if silent >= 64:
                fault, last, count = NONE, NONE, 0
            elif count == 4:
                fault = last
            found.append(fault)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_random_ordered_sets(seed):
    rng = random.Random(seed)
    columns = []
    while len(columns) < 6000:
        kind = rng.choice((LOCAL, REMOTE))
        for _ in range(rng.choice((1, 2, 3, 4, 5, 20))):
            columns += [kind] + [NONE] * rng.choice((0, 0, 1, 2, 30, 124))
        columns += [NONE] * rng.choice((0, 5, 120, 124, 128, 132, 300))
    columns = columns[: len(columns) // 2 * 2]
    got = detect([word_of(columns[at : at + 2]) for at in range(0, len(columns), 2)])
    assert got == expected(columns)
    assert set(got) == {NONE, LOCAL, REMOTE}


def test_times():
    words = [word_of((REMOTE, NONE))] * 4 + [IDLE] * 80
    got = detect(words)
    assert got[:3] == [NONE] * 3 and got[3] == REMOTE
    assert got.index(NONE, 4) == 3 + 64


@pytest.mark.parametrize(
    "octets", [(0x9C, 0, 0, 0), (0x9C, 0, 0, 3), (0x9C, 0, 1, 1), (0x9C, 1, 0, 2), (0x5C, 0, 0, 1)]
)
def test_other_ordered_sets_are_none(octets):
    data = int.from_bytes(bytes(octets * 2), "little")
    assert set(detect([(data, 0x11)] * 20)) == {NONE}


def test_the_same_octets_in_a_packet_are_none():
    data = int.from_bytes(bytes((0x9C, 0, 0, 1) * 2), "little")
    assert set(detect([(data, 0)] * 20)) == {NONE}


def reply(words, faults):
    """Words that are sent; one fault per word."""
    dut = LinkFaultReply()
    sent = []
    simulator = Simulator(dut)
    simulator.add_clock(6.4e-9)

    async def bench(ctx):
        for (data, control), fault in zip(words, faults, strict=True):
            ctx.set(dut.input.data, dut.input.data.shape().from_bits(data))
            ctx.set(dut.input.control, control)
            ctx.set(dut.fault, fault)
            await ctx.tick()
            sent.append((ctx.get(dut.output.data).as_bits(), ctx.get(dut.output.control)))

    simulator.add_testbench(bench)
    simulator.run()
    return sent


@pytest.mark.parametrize("fault", [LOCAL, REMOTE])
def test_reply(fault):
    """Wherever in a packet a fault comes and goes: it is answered at once, and only whole packets follow."""
    rng = random.Random(fault)
    packets = [Packet.of(rng.randbytes(rng.randrange(60, 80))) for _ in range(8)]
    gaps = []
    at = 0
    for packet in packets:
        idle = 11 + -(at + 11) % 4
        gaps.append(idle)
        at += idle + len(packet.octets) + 1
    words = words_of(lanes_of(zip(gaps, packets, strict=True)))
    answer = word_of((REMOTE, REMOTE)) if fault == LOCAL else IDLE
    for begin in range(1, 40):
        end = begin + rng.randrange(3, 30)
        faults = [fault if begin <= n < end else NONE for n in range(len(words))]
        sent = reply(words, faults)
        assert set(sent[begin + 1 : end + 1]) == {answer}
        assert sent[:begin] == words[:begin]
        later, _, _ = packets_on(sent[end + 1 :])
        assert later == packets[len(packets) - len(later) :] and len(later) >= 2


def test_a_spoilt_packet_ends_where_it_ends():
    """/E/ in the last lane is not the end."""
    packet = Packet(START + bytes(64), frozenset(range(8, 72)))
    words = words_of(lanes_of([(8, packet)]))
    sent = reply(words, [LOCAL] * 4 + [NONE] * (len(words) - 4))
    assert set(sent[5:10]) == {IDLE} and set(sent[11:]) == {IDLE}
