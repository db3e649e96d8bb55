"""LambdaConcept ECPIX-5 with an ECP5-45 or -85: one Gigabit PHY."""

from collections.abc import Sequence
from dataclasses import replace

from amaranth.build import Resource
from amaranth_boards.ecpix5 import ECPIX545Platform, ECPIX585Platform

from . import phys
from .board import Board, EthernetPort, Led
from .resources import with_attrs
from .sizes import SIZES_45F, SIZES_85F

__all__ = ["ECPIX5_45", "ECPIX5_85"]


def _strapped(resources: Sequence[Resource]) -> list[Resource]:
    """``resources`` with a level at the pins by which the PHY, as its reset ends, chooses its mode: RGMII, all speeds,
    if all are high (KSZ9031RNX data sheet, DS00002117, MODE[3:0]). The FPGA pulls them up in LiteX, too
    (``litex_boards/platforms/lambdaconcept_ecpix5.py``)."""
    return [with_attrs(r, "rx_data", PULLMODE="UP") if r.name == "eth_rgmii" else r for r in resources]


class _Platform45(ECPIX545Platform):
    resources = _strapped(ECPIX545Platform.resources)


class _Platform85(ECPIX585Platform):
    resources = _strapped(ECPIX585Platform.resources)


ECPIX5_85 = Board(
    name="ecpix5-85",
    title="LambdaConcept ECPIX-5 85F",
    platform=_Platform85,
    oscillator_hz=100_000_000,
    ports=(EthernetPort(0, control="ctrl"),),
    phy=phys.ECPIX5,
    sizes=SIZES_85F,
    timing_model="LFE5UM-85F-8",
    loader=("--board", "ecpix5"),
    leds=(Led("rgb_led", 0, "g"),),
)
ECPIX5_45 = replace(
    ECPIX5_85,
    name="ecpix5-45",
    title="LambdaConcept ECPIX-5 45F",
    platform=_Platform45,
    sizes=SIZES_45F,
    timing_model="LFE5UM-45F-8",
)
