"""Added latency of the core, in cocotb."""

import json
from pathlib import Path

import pytest
from opentep.gateware.core import Core
from opentep.gateware.params import Params
from opentep.sim.cocotb_run import run_cocotb

LIMIT = 24
"""Core clocks that the core may add to a stored and forwarded frame."""
STORM = {"storm_tenants": 1024}
SUPPRESSION = {"known_addresses": 16}


@pytest.mark.parametrize(
    "width, options, clocks",
    [
        (32, {}, LIMIT),
        (32, STORM, LIMIT),
        *(
            pytest.param(*what, marks=pytest.mark.long)
            for what in (
                (32, SUPPRESSION, LIMIT),
                (64, {}, LIMIT),
                # These miss it, by what is known.
                (32, STORM | SUPPRESSION, 25),
                (64, STORM, 28),
                (64, SUPPRESSION, 25),
                (64, STORM | SUPPRESSION, 29),
                (128, {}, 32),
                (256, {}, 36),
                (512, {}, 38),
            )
        ),
    ],
)
def test_latency(width: int, options: dict[str, int], clocks: int) -> None:
    params = Params(width=width, packet_bytes=131072, **options)
    run_cocotb(
        Core(params),
        Path(__file__).with_name("latency.py"),
        parameters={"PARAMS": json.dumps(params.as_dict()), "CLOCKS": str(clocks)},
    )
