"""GMII and MII at their pins, against partners of cocotbext-eth."""

from pathlib import Path

from opentep.gateware.phy.pins import PinsReceive, PinsTransmit
from opentep.sim.cocotb_run import run_cocotb


def test_receive():
    run_cocotb(PinsReceive(), Path(__file__).with_name("pins.py"), parameters={"WAY": "receive"})


def test_transmit():
    run_cocotb(PinsTransmit(), Path(__file__).with_name("pins.py"), parameters={"WAY": "transmit"})
