"""Added latency of the core, in cocotb."""

import json
from pathlib import Path

import pytest
from opentep.gateware.core import Core
from opentep.gateware.params import Params
from opentep.sim.cocotb_run import run_cocotb


@pytest.mark.parametrize(
    "width, options",
    [
        (32, {}),
        (32, {"storm_tenants": 1024}),
        *(pytest.param(*what, marks=pytest.mark.long) for what in ((64, {}), (32, {"known_addresses": 16}))),
    ],
)
def test_latency(width: int, options: dict[str, int]) -> None:
    params = Params(width=width, packet_bytes=131072, **options)
    run_cocotb(
        Core(params),
        Path(__file__).with_name("latency.py"),
        parameters={"PARAMS": json.dumps(params.as_dict())},
    )
