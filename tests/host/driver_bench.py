"""What tests of the driver share: a TEP in memory, a driver that reads once or lasts, and tables for them."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from opentep.gateware.params import Params
from opentep.host.driver import Driver
from opentep.host.link.shadow import ShadowClient
from opentep.host.registers import RegisterAccess
from opentep.host.tables import RemoteTep, TepTables, Way
from opentep.sim.random_tables import Learning, random_tables

__all__ = ["PARAMS", "configurations", "device", "driver", "lasting", "normal"]

PARAMS = Params(
    access_ports=2,
    fabric_ports=2,
    tenants=16,
    macs=128,
    teps=16,
    lists=64,
    members=64,
    known_addresses=64,
    storm_tenants=16,
)


def normal(tables: TepTables) -> TepTables:
    """Without names, in one order, without empty lists: what a TEP can tell."""
    lists = [
        replace(entry, members={port: members for port, members in sorted(entry.members.items()) if members})
        for entry in tables.lists
    ]

    def ways(tep: RemoteTep) -> tuple[Way, ...]:
        """What refers to a TEP tells which of its ways is the first."""
        return (
            tep.ways
            if tep.index in tables.referred_teps
            else tuple(sorted(tep.ways, key=lambda way: way.port))
        )

    return replace(
        tables,
        name="",
        ports=tuple(replace(port, name="") for port in tables.ports),
        tenants=tuple(
            sorted(
                (replace(t, name="", ouis=tuple(sorted(t.ouis))) for t in tables.tenants),
                key=lambda t: t.index,
            )
        ),
        macs=tuple(sorted(tables.macs, key=lambda entry: (entry.tenant, entry.mac))),
        teps=tuple(
            sorted(
                (replace(t, name="", sources=tuple(sorted(t.sources)), ways=ways(t)) for t in tables.teps),
                key=lambda t: t.index,
            )
        ),
        lists=tuple(sorted((entry for entry in lists if entry.members), key=lambda entry: entry.index)),
    )


@pytest.fixture
def device(memory_device):
    return memory_device(PARAMS)


def lasting(device) -> Driver:
    shadow = ShadowClient(device)
    return Driver(RegisterAccess(shadow), drain_seconds=0, shadow=shadow)


@pytest.fixture(params=["once", "lasting"])
def driver(device, request) -> Driver:
    if request.param == "once":
        return Driver(RegisterAccess(device), drain_seconds=0)
    return lasting(device)


def configurations(seed: int, count: int) -> Iterator[TepTables]:
    """Every second one without learning."""
    rng = random.Random(seed)
    for number in range(count):
        learn = (seed + number) % 2 == 0
        yield random_tables(rng, PARAMS, Learning(source=learn, remote=learn), storm=True)
