# amaranth: UnusedElaboratable=no
"""The whole MAC at 1 Gb/s and below, for several widths and clocks of the core, in cocotb."""

from pathlib import Path

import pytest
from opentep.gateware.mac.ethernet import EthernetMac
from opentep.sim.cocotb_run import run_cocotb

CORE_83 = 12_000
CORE_125 = 8000


@pytest.mark.parametrize(
    "width, every, sync_ps, rx_ps, tx_ps",
    [
        (32, 1, CORE_83, 7998, 8002),
        (32, 1, CORE_125, 8002, 7998),
        pytest.param(64, 1, CORE_83, 7998, 7998, marks=pytest.mark.long),
        pytest.param(512, 1, CORE_125, 8000, 7998, marks=pytest.mark.long),
        (32, 10, CORE_83, 7998, 8002),
        (32, 100, CORE_83, 8000, 8000),
    ],
)
def test_ethernet(width: int, every: int, sync_ps: int, rx_ps: int, tx_ps: int) -> None:
    run_cocotb(
        EthernetMac(width),
        Path(__file__).with_name("ethernet.py"),
        parameters={
            "WIDTH": str(width),
            "EVERY": str(every),
            "SYNC_PS": str(sync_ps),
            "RX_PS": str(rx_ps),
            "TX_PS": str(tx_ps),
        },
    )


@pytest.mark.parametrize(
    "width, options, message",
    [
        (8, {}, "width must be at least 32"),
        (32, {"start_octets": 6}, "start_octets must be"),
        (32, {"max_frame": 10}, "max_frame must be"),
    ],
)
def test_bad_arguments(width, options, message):
    with pytest.raises(ValueError, match=message):
        EthernetMac(width, **options)
