"""Added latency of the core, in cocotb."""

import json
from pathlib import Path

import pytest
from opentep.gateware.core import Core
from opentep.gateware.params import Params
from opentep.sim.cocotb_run import run_cocotb


@pytest.mark.parametrize(
    "width, known_addresses",
    [(32, 0), *(pytest.param(*what, marks=pytest.mark.long) for what in ((64, 0), (32, 16)))],
)
def test_latency(width: int, known_addresses: int) -> None:
    params = Params(width=width, packet_bytes=131072, known_addresses=known_addresses)
    run_cocotb(
        Core(params),
        Path(__file__).with_name("latency.py"),
        parameters={"PARAMS": json.dumps(params.as_dict())},
    )
