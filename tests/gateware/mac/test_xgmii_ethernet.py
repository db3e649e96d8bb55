# amaranth: UnusedElaboratable=no
"""The whole MAC at 10 Gb/s, for several widths and clocks of the core, in cocotb."""

from pathlib import Path

import pytest
from opentep.gateware.mac.xgmii_ethernet import XgmiiEthernetMac
from opentep.sim.cocotb_run import run_cocotb


@pytest.mark.parametrize(
    "width, sync_ps, rx_ps, tx_ps",
    [
        (64, 6400, 6398, 6398),
        pytest.param(64, 5000, 6400, 6402, marks=pytest.mark.long),
        pytest.param(32, 3198, 6400, 6400, marks=pytest.mark.long),
        (128, 12_600, 6402, 6398),
        pytest.param(512, 8000, 6398, 6402, marks=pytest.mark.long),
    ],
)
def test_xgmii_ethernet(width: int, sync_ps: int, rx_ps: int, tx_ps: int) -> None:
    run_cocotb(
        XgmiiEthernetMac(width),
        Path(__file__).with_name("xgmii_ethernet.py"),
        parameters={
            "WIDTH": str(width),
            "SYNC_PS": str(sync_ps),
            "RX_PS": str(rx_ps),
            "TX_PS": str(tx_ps),
        },
    )


@pytest.mark.parametrize(
    "width, options, message",
    [
        (16, {}, "width must be at least 32"),
        (64, {"start_octets": 12}, "start_octets must be"),
        (128, {"start_octets": 8}, "start_octets must be"),
        (64, {"max_frame": 10}, "max_frame must be"),
    ],
)
def test_bad_arguments(width, options, message):
    with pytest.raises(ValueError, match=message):
        XgmiiEthernetMac(width, **options)
