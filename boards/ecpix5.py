"""LambdaConcept ECPIX-5 with an ECP5-45 or -85: one Gigabit PHY."""

from dataclasses import replace

from amaranth_boards.ecpix5 import ECPIX545Platform, ECPIX585Platform

from . import phys
from .board import Board, EthernetPort, Led
from .sizes import SIZES_45F, SIZES_85F

__all__ = ["ECPIX5_45", "ECPIX5_85"]

ECPIX5_85 = Board(
    name="ecpix5-85",
    title="LambdaConcept ECPIX-5 85F",
    platform=ECPIX585Platform,
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
    platform=ECPIX545Platform,
    sizes=SIZES_45F,
    timing_model="LFE5UM-45F-8",
)
