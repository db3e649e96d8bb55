"""Added latency of the core, in cocotb."""

import json
from pathlib import Path

import pytest
from opentep.gateware.core import Core
from opentep.gateware.params import Params
from opentep.sim.cocotb_run import run_cocotb


@pytest.mark.parametrize("known_addresses", [0, 16])
@pytest.mark.parametrize("width", [32, pytest.param(64, marks=pytest.mark.long)])
def test_latency(width: int, known_addresses: int) -> None:
    params = Params(width=width, packet_bytes=131072, known_addresses=known_addresses)
    run_cocotb(
        Core(params),
        Path(__file__).with_name("latency.py"),
        parameters={"PARAMS": json.dumps(params.as_dict())},
    )
