"""Cuckoo tables as the driver finds them, interrupted moves included."""

import random

from opentep.gateware.lookup.tables import tenant_geometry
from opentep.gateware.params import Params
from opentep.host.exact import ExactTable
from opentep.host.registers import RegisterAccess

PARAMS = Params(tenants=16)


def test_content_survives_another_host(memory_device) -> None:
    device = memory_device(PARAMS)
    registers = RegisterAccess(device)
    registers.write("hash_seed", 0x0123456789ABCDEF)
    table = ExactTable(registers, "tenant", tenant_geometry(PARAMS))
    assert table.read() == {}
    rng = random.Random(1)
    wanted = {rng.getrandbits(60): index for index in range(16)}
    for key, value in wanted.items():
        device.execute(table.put(key, value))
    other = ExactTable(registers, "tenant", tenant_geometry(PARAMS))
    assert other.read() == wanted
    assert list(other.tidy()) == []
    for key in list(wanted)[::2]:
        device.execute(other.remove(key))
        del wanted[key]
    assert table.read() == wanted


def test_an_interrupted_move_is_tidied_up(memory_device) -> None:
    device = memory_device(PARAMS)
    registers = RegisterAccess(device)
    table = ExactTable(registers, "tenant", tenant_geometry(PARAMS))
    table.read()
    key = 0x123456789
    device.execute(table.put(key, 5))
    registers.table("tenant_stash").write(1, {"valid": 1, "key": key, "value": 5})
    assert table.read() == {key: 5}
    device.execute(table.tidy())
    assert sum(entry["valid"] for entry in registers.table("tenant_stash").read_many()) == 0
    assert table.read() == {key: 5}


def test_entries_of_another_seed_are_tidied_up(memory_device) -> None:
    device = memory_device(PARAMS)
    registers = RegisterAccess(device)
    table = ExactTable(registers, "tenant", tenant_geometry(PARAMS))
    table.read()
    rng = random.Random(2)
    for value in range(16):
        device.execute(table.put(rng.getrandbits(60), value))
    registers.write("hash_seed", 0xFEDCBA9876543210)
    found = table.read()
    assert len(found) < 16
    device.execute(table.tidy())
    assert table.read() == found
    assert list(table.tidy()) == []
