"""The whole core, from Amaranth to routed wires, with a check of its clock: small tables, as these take the time."""

import json

import pytest
from click.testing import CliRunner
from opentep.host.cli import main

SMALL = {
    **dict.fromkeys(("tenants", "teps", "rules", "lists", "members", "queue_depth"), 16),
    "macs": 64,
    "packet_bytes": 2048,
    "counted_teps": 0,
    "stash": 1,
}
BOARDS_MHZ = 83.3
"""What the core of a board with 32 bits needs."""


@pytest.mark.synth
@pytest.mark.timeout(1200)
def test_the_core_keeps_its_clock():
    sizes = [word for name, value in SMALL.items() for word in ("--param", f"{name}={value}")]
    arguments = ["build", "--core-only", "--seeds", "1", "--frequency", str(BOARDS_MHZ), "--json", *sizes]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["worst_mhz"] >= BOARDS_MHZ and report["cells"]["DP16KD"] > 0
