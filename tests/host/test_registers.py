"""Typed access to registers and tables, on a plain memory of words."""

import random

import pytest
from opentep.gateware.csr.element import Table
from opentep.gateware.egress.tables import outer_header
from opentep.gateware.params import Params
from opentep.gateware.registers import API_VERSION, memory_map
from opentep.host.link.protocol import BURST_WORDS, REPEAT, Read, Write
from opentep.host.registers import RegisterAccess, WrongDeviceError


class Memory:
    """A register space without gateware."""

    def __init__(self, params):
        self.words = {}
        self.requests = []
        for resource in memory_map(params).registers:
            for k in range(resource.element.words):
                self.words[resource.start + k] = resource.element.reset >> 32 * k & 0xFFFFFFFF

    @staticmethod
    def _addresses(request, count):
        stride = 0 if request.step == REPEAT else 1 << request.step
        return [request.address + k // request.run * stride + k % request.run for k in range(count)]

    def execute(self, requests):
        results = []
        for request in requests:
            self.requests.append(request)
            if isinstance(request, Write):
                self.words.update(
                    zip(self._addresses(request, len(request.words)), request.words, strict=True)
                )
                results.append(())
            else:
                results.append(tuple(self.words.get(a, 0) for a in self._addresses(request, request.count)))
        return results


@pytest.fixture
def memory():
    return Memory(Params(width=64, access_ports=3))


def test_parameters_are_read_back(memory):
    assert RegisterAccess(memory).params == Params(width=64, access_ports=3)


def test_foreign_devices_are_refused(memory):
    memory.words[1] += 1
    with pytest.raises(WrongDeviceError, match=f"version {API_VERSION + 1}.*{API_VERSION}; remedy: rebuild"):
        RegisterAccess(memory)
    memory.words[1] -= 1
    memory.words[2] = 33
    with pytest.raises(WrongDeviceError, match="width"):
        RegisterAccess(memory)
    memory.words[0] = 0xFFFFFFFF
    with pytest.raises(WrongDeviceError, match="no opentep device"):
        RegisterAccess(memory)


def test_registers(memory):
    regs = RegisterAccess(memory)
    assert regs.read("port[3].mtu") == 1500
    assert regs.read("port[0].key_mask") == {"vid": 0, "mac": 0xFFFFFF000000}
    regs.write("port[3].mac", 0x021122334455)
    assert regs.read("port[3].mac") == 0x021122334455
    regs.write("port[1].key_mask", {"vid": 0xFFF})
    assert regs.read("port[1].key_mask") == {"vid": 0xFFF, "mac": 0}
    with pytest.raises(ValueError, match=r"port\[0\].mtu: 0x4000 does not fit in 14 bits"):
        regs.write("port[0].mtu", 0x4000)
    with pytest.raises(ValueError, match="key_mask: vid: "):
        regs.write("port[0].key_mask", {"vid": -1})
    with pytest.raises(ValueError, match="read only"):
        regs.write("id.magic", 1)
    with pytest.raises(KeyError, match="no register 'port"):
        regs.read("port[4].mac")
    with pytest.raises(KeyError, match="no register 'tenant_entries'"):
        regs.read("tenant_entries")


def test_every_writable_table_reads_back(memory):
    regs = RegisterAccess(memory)
    rng = random.Random(1)
    for resource in regs.memory_map.tables:
        if not resource.element.access.writable:
            with pytest.raises(ValueError, match="not writable"):
                regs.table(resource.name).write(0, 0)
            continue
        table = regs.table(resource.name)
        values = {
            index: table.codec.decode(rng.getrandbits(table.codec.width))
            for index in rng.sample(range(table.depth), min(table.depth, 20))
        }
        table.write_many(values.items())
        assert table.read_many(values) == list(values.values())


def test_neighbours_share_bursts(memory):
    regs = RegisterAccess(memory)
    table = regs.table("tenant_slots")
    words = table.codec.words
    memory.requests.clear()
    table.write_many((i, {"valid": 1, "key": i}) for i in range(100))
    assert len(memory.requests) == -(-100 // (BURST_WORDS // words))
    memory.requests.clear()
    table.write_many((i, {"valid": 1, "key": i}) for i in [9, 5, 6, 7, 7, 7, 8, 3])
    assert [(r.address - table._start >> 2, len(r.words) // words) for r in memory.requests] == [
        (9, 1),
        (5, 3),
        (7, 2),
        (8, 1),
        (3, 1),
    ]
    assert memory.requests[2].step == REPEAT
    assert table.read(8) == {"valid": 1, "key": 8, "value": 0}
    memory.requests.clear()
    assert len(table.read_many()) == table.depth == len(table)
    assert all(isinstance(request, Read) for request in memory.requests)


def test_structures_may_be_given_as_bits(memory):
    regs = RegisterAccess(memory)
    bits = outer_header(next_hop=0x020000000001, mac=2, source=3, destination=4)
    regs.table("outer_headers[0]").write(5, bits)
    entry = regs.table("outer_headers[0]").read(5)
    assert entry["destination"] == [2, 0, 0, 0, 0, 1] and entry["hop_limit"] == 64


def test_tables_refuse_what_they_cannot_hold(memory):
    regs = RegisterAccess(memory)
    with pytest.raises(IndexError, match="0 to 1023"):
        regs.table("tenant_entries").write(1024, {})
    with pytest.raises(ValueError, match=r"tenant_entries\[3\]: no field 'colour'"):
        regs.table("tenant_entries").write(3, {"colour": 1})
    with pytest.raises(ValueError, match=r"tenant_entries\[3\]: flags: flood_list: 0x1000"):
        regs.table("tenant_entries").write(3, {"flags": {"flood_list": 0x1000}})
    with pytest.raises(KeyError, match="no table 'control"):
        regs.table("control.enable")


def test_addresses_of_identification_do_not_depend_on_parameters():
    def addresses(params):
        return [(r.name, r.start) for r in memory_map(params) if r.name.startswith("id.")]

    assert addresses(Params()) == addresses(Params(width=512, access_ports=9, tenants=16, teps=4096))
    assert addresses(Params())[0] == ("id.magic", 0)


def test_elements_do_not_overlap():
    for params in (Params(), Params(width=512, access_ports=8, fabric_ports=4, tenants=4096, macs=65536)):
        end = 0
        for resource in memory_map(params):
            assert resource.start >= end and resource.start % resource.element.size == 0
            assert isinstance(resource.element, Table) or resource.element.words <= 4
            end = resource.end
