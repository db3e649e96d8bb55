"""Lattice ECP5 Versa and ECP5-5G Versa: two Gigabit PHYs."""

from dataclasses import replace

from amaranth_boards.versa_ecp5 import VersaECP5Platform
from amaranth_boards.versa_ecp5_5g import VersaECP55GPlatform

from . import phys
from .board import Board, EthernetPort, Led
from .sizes import SIZES_45F

__all__ = ["VERSA_ECP5", "VERSA_ECP5_5G"]

VERSA_ECP5 = Board(
    name="versa-ecp5",
    title="Lattice ECP5 Versa",
    platform=VersaECP5Platform,
    oscillator_hz=100_000_000,
    ports=(EthernetPort(0), EthernetPort(1, control="ctrl")),
    phy=phys.VERSA_ECP5,
    sizes=SIZES_45F,
    timing_model="LFE5UM-45F-8",
    loader=("--cable", "ft2232"),
    leds=(Led("led", 0), Led("led", 1)),
)
VERSA_ECP5_5G = replace(
    VERSA_ECP5,
    name="versa-ecp5-5g",
    title="Lattice ECP5-5G Versa",
    platform=VersaECP55GPlatform,
)
