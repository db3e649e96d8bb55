"""Events through the host's port, in cocotb."""

import json
from pathlib import Path

import pytest
from opentep.gateware.hostport.port import HostPort
from opentep.gateware.params import Params
from opentep.sim.cocotb_run import run_cocotb


@pytest.mark.parametrize("width", [32, 64, 512])
def test_events(width: int) -> None:
    params = Params(width=width)
    run_cocotb(
        HostPort(params),
        Path(__file__).with_name("events.py"),
        parameters={"PARAMS": json.dumps(params.as_dict())},
    )
