"""Storm control at line rate with many tenants, in cocotb."""

import json
from pathlib import Path

from opentep.gateware.core import Core
from opentep.gateware.params import Params
from opentep.sim.cocotb_run import run_cocotb


def test_storm() -> None:
    params = Params(access_ports=2, tenants=256, storm_tenants=256, lists=64, members=64, packet_bytes=131072)
    run_cocotb(
        Core(params),
        Path(__file__).with_name("storm.py"),
        parameters={"PARAMS": json.dumps(params.as_dict())},
    )
