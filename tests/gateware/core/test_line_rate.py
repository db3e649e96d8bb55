"""Line rate on all ports, every frame size, in cocotb; also while the host takes copies of frames."""

import json
from pathlib import Path

import pytest
from opentep.gateware.core import Core
from opentep.gateware.params import Params
from opentep.sim.cocotb_run import run_cocotb


@pytest.mark.parametrize(
    "name, mirror",
    [("hairpin", False), pytest.param("tunnel", False, marks=pytest.mark.long), ("tunnel", True)],
)
@pytest.mark.parametrize(
    "access_ports, fabric_ports, width",
    [
        (1, 1, 32),
        pytest.param(3, 1, 32, marks=pytest.mark.long),
        pytest.param(1, 1, 64, marks=pytest.mark.long),
    ],
    ids=str,
)
def test_line_rate(access_ports: int, fabric_ports: int, width: int, name: str, mirror: bool) -> None:
    params = Params(width=width, access_ports=access_ports, fabric_ports=fabric_ports, packet_bytes=131072)
    run_cocotb(
        Core(params),
        Path(__file__).with_name("line_rate.py"),
        parameters={"PARAMS": json.dumps(params.as_dict()), "SCENARIO": name, "MIRROR": str(int(mirror))},
    )
