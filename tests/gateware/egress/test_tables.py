"""Layouts that the host fills in, and the programs as data."""

import pytest
from opentep.gateware.egress.program import Insert, Rest, assemble, programs
from opentep.gateware.egress.tables import OUTER_ENTRY_BYTES, OuterHeader, outer_header


def test_outer_header_is_what_the_wire_carries():
    value = outer_header(
        next_hop=0x020000000001,
        mac=0x020000000002,
        source=0xFD << 120 | 1,
        destination=0xFD << 120 | 2,
        hop_limit=17,
    )
    header = OuterHeader.from_bits(value)
    assert OuterHeader.as_shape().size == 8 * OUTER_ENTRY_BYTES
    assert [*header.destination] == [2, 0, 0, 0, 0, 1]
    assert [*header.ethertype] == [0x86, 0xDD]
    assert header.version_class_flow[0] == 0x60
    assert (header.next_header, header.hop_limit) == (143, 17)
    assert header.destination_address[0] == 0xFD and header.destination_address[15] == 2
    with pytest.raises(OverflowError):
        outer_header(next_hop=1 << 48, mac=0, source=0, destination=0)


@pytest.mark.parametrize("fabric", (False, True))
@pytest.mark.parametrize("octets", (4, 8, 16, 32, 64))
def test_programs_end(fabric, octets):
    assembly = assemble(programs(fabric), octets)
    ends = [*assembly.begin.values(), len(assembly.operations)][1:]
    for (program, steps), end in zip(programs(fabric).items(), ends, strict=True):
        run = assembly.operations[assembly.begin[program] : end]
        assert [operation.last for operation in run] == [False] * (len(run) - 1) + [True]
        assert sum(operation.drain for operation in run) == bool(steps)
    assert all(len(row) <= octets for row in assembly.literals)


def test_rest_needs_time():
    with pytest.raises(ValueError, match="fewer than two steps"):
        assemble({"short": (Insert(b"x"), Rest())}, 4)
