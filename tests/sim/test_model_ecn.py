"""What a TEP makes of the ECN fields of a packet and the packet inside, against figure 4 of RFC 6040."""

import random

import pytest
from opentep.sim.model.ecn import CongestionLost, combine
from opentep.sim.packets import ethernet, ipv4, ipv6
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether

NOT_ECT, ECT_1, ECT_0, CE = range(4)
LOST = None
FIGURE_4 = {  # inner: outer Not-ECT, ECT(0), ECT(1), CE
    NOT_ECT: (NOT_ECT, NOT_ECT, NOT_ECT, LOST),
    ECT_0: (ECT_0, ECT_0, ECT_1, CE),
    ECT_1: (ECT_1, ECT_1, ECT_1, CE),
    CE: (CE, CE, CE, CE),
}
CASES = [
    (inner, outer, becomes)
    for inner, row in FIGURE_4.items()
    for outer, becomes in zip((NOT_ECT, ECT_0, ECT_1, CE), row, strict=True)
]


@pytest.mark.parametrize(("inner", "outer", "becomes"), CASES)
@pytest.mark.parametrize("dscp", [0, 0x2E, 0x3F])
@pytest.mark.parametrize("version", [4, 6])
def test_figure_4(inner: int, outer: int, becomes: int | None, dscp: int, version: int) -> None:
    def frame(ecn: int) -> bytes:
        traffic_class = dscp << 2 | ecn
        if version == 4:
            return ethernet(1, 2, 0x0800, ipv4(3, 4, 17, bytes(8), tos=traffic_class))
        return ethernet(1, 2, 0x86DD, ipv6(3, 4, 17, bytes(8), traffic_class=traffic_class, flow=0xABCDE))

    if becomes is LOST:
        with pytest.raises(CongestionLost):
            combine(frame(inner), outer)
    else:
        assert combine(frame(inner), 0x5C << 2 | outer) == frame(becomes)


def test_checksum_of_any_header() -> None:
    rng = random.Random(1)
    for _ in range(500):
        packet = ipv4(
            rng.getrandbits(32),
            rng.getrandbits(32),
            rng.randrange(256),
            b"",
            tos=rng.randrange(64) << 2 | rng.choice((ECT_0, ECT_1)),
            ident=rng.choice((0, rng.getrandbits(16))),
            options=bytes(4 * rng.randrange(11)),
        )
        changed = Ether(combine(ethernet(1, 2, 0x0800, packet), CE))
        good = changed[IP].chksum
        del changed[IP].chksum
        assert Ether(bytes(changed))[IP].chksum == good


def test_others_stay() -> None:
    for frame in (ethernet(1, 2, 0x0806, bytes(46)), ethernet(1, 2, 0x0800, bytes(19)), bytes(14)):
        assert combine(frame, CE) == frame
