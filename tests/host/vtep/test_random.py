"""Whatever a controller writes: nothing breaks, both sides agree afterwards, and what is wrong is told."""

import random
from collections.abc import Callable
from contextlib import suppress

import pytest
from opentep.host.controller.objects import Key
from opentep.host.fabric import FabricError
from opentep.host.ovsdb import Ovsdb, OvsdbError, to_map, to_set
from opentep.host.vtep.rows import DATABASE, UNKNOWN, Rows

from .vtep_bench import BY_VLAN, DOCUMENT, Bench

NAMES = ("red", "blue", "green", "vtep.x", "", "a b", "ü" * 40)
KEYS = (None, 8, 9, 0, 1, 7, 300, 0xFFFFFF, 1 << 24, -1)
MACS = (
    "12:00:01:00:00:0a",
    "12:00:01:00:00:0b",
    "0a:00:00:00:00:01",
    "01:00:5e:00:00:01",
    "unknown-dst",
    "",
    "x",
)
ADDRESSES = (
    "fd00:77::1",
    "fd00:77:0::1",
    "fd00:77::2",
    "fd00:1::1",
    "10.0.0.1",
    "ff02::1",
    "::",
    "nowhere",
    "",
)
VLANS = (0, 1, 5, 6, 10, 99, 4094, 4095)


def _change(rows: Rows, rng: random.Random) -> list[dict]:
    """Operations of one transaction."""

    def insert(table: str, reference: str, /, **row: object) -> dict:
        return {"op": "insert", "table": table, "uuid-name": reference, "row": row}

    def reference(table: str) -> list[str]:
        return ["uuid", rng.choice([*rows.tables[table], "00000000-0000-0000-0000-000000000001"])]

    address = rng.choice(ADDRESSES)
    known = {row["dst_ip"]: row["_uuid"] for row in rows.tables["Physical_Locator"].values()}
    place = known.get(address, ["named-uuid", "where"])
    first = []
    if address not in known:
        encapsulation = "vxlan_over_ipv4"
        first = [insert("Physical_Locator", "where", encapsulation_type=encapsulation, dst_ip=address)]
    switch = reference("Logical_Switch")
    match rng.randrange(8):
        case 0 | 1:
            key = rng.choice(KEYS)
            columns = {} if key is None else {"tunnel_key": key}
            if rng.randrange(2):
                columns["replication_mode"] = "source_node"
            return [insert("Logical_Switch", "ls", name=rng.choice(NAMES), **columns)]
        case 2 | 3:
            pairs = {vlan: reference("Logical_Switch") for vlan in rng.sample(VLANS, rng.randrange(4))}
            where = [["_uuid", "==", reference("Physical_Port")]]
            row = {"vlan_bindings": to_map(pairs)}
            return [{"op": "update", "table": "Physical_Port", "where": where, "row": row}]
        case 4:
            row = {"MAC": rng.choice(MACS), "logical_switch": switch, "locator": place}
            row["ipaddr"] = rng.choice(("", "10.0.0.9", "x"))
            return [*first, insert("Ucast_Macs_Remote", "mac", **row)]
        case 5:
            many = insert("Physical_Locator_Set", "set", locators=to_set([place]))
            row = {"MAC": UNKNOWN, "logical_switch": switch, "locator_set": ["named-uuid", "set"]}
            return [*first, many, insert("Mcast_Macs_Remote", "mac", **row)]
        case 6:
            table = rng.choice(
                ("Ucast_Macs_Remote", "Mcast_Macs_Remote", "Ucast_Macs_Local", "Logical_Switch")
            )
            return [{"op": "delete", "table": table, "where": [["_uuid", "==", reference(table)]]}]
        case _:
            row = {"name": rng.choice(NAMES), "tunnel_key": to_set([])}
            return [
                {"op": "update", "table": "Logical_Switch", "where": [["_uuid", "==", switch]], "row": row}
            ]


@pytest.mark.parametrize("by_vlan", [False, True])
@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.long) for n in range(2, 40))])
def test_anything(make: Callable[[str], Bench], seed: int, by_vlan: bool) -> None:
    rng = random.Random(seed)
    bench = make(BY_VLAN if by_vlan else DOCUMENT)
    untouched = set(bench.repository.objects())
    bench.go()
    bench.vtep.ctl("add-ls", "green", "--", "set", "Logical_Switch", "green", "tunnel_key=7")
    bench.vtep.ctl("bind-ls", "rack2", "b", "5", "green")
    bench.go()
    assert bench.own("vms"), "something to lose"
    with Ovsdb(bench.vtep.target, DATABASE) as database:
        for _ in range(60):
            try:
                database.transact(_change(Rows(database), rng))
            except OvsdbError:
                continue  # the schema says no
            if rng.randrange(4) == 0:  # an operator meanwhile
                kind, spec = rng.choice(
                    [
                        ("vms", {"tenant": "vtep.green", "vswitch": "vtep.rack2.b"}),
                        ("vms", {"tenant": "red", "vswitch": "sw1", "vlan": 5}),
                        ("tenants", {"network": rng.choice((7, 300, 301))}),
                        ("tenants", None),
                        ("vms", None),
                    ]
                )
                with suppress(FabricError):
                    bench.put(Key(kind, "operator"), spec)
            bench.go()
    others = {key for key in bench.repository.objects() if not key.name.startswith("vtep.")}
    assert {key for key in others if key.name != "operator"} == untouched, "what is not the adapter's stays"
