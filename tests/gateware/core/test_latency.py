"""Added latency of the core, in cocotb."""

import json
from pathlib import Path

import pytest
from opentep.gateware.core import Core
from opentep.gateware.params import Params
from opentep.sim.cocotb_run import run_cocotb


@pytest.mark.parametrize(
    "width, storm_tenants", [(32, 0), (32, 1024), pytest.param(64, 0, marks=pytest.mark.long)]
)
def test_latency(width: int, storm_tenants: int) -> None:
    params = Params(width=width, packet_bytes=131072, storm_tenants=storm_tenants)
    run_cocotb(
        Core(params),
        Path(__file__).with_name("latency.py"),
        parameters={"PARAMS": json.dumps(params.as_dict())},
    )
