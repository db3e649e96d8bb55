"""LogicBone: a BeagleBone shaped ECP5 board with one Gigabit PHY."""

from amaranth.build import Attrs
from amaranth_boards.logicbone import LogicbonePlatform
from amaranth_boards.resources import UARTResource

from . import phys
from .board import Board, EthernetPort, Led
from .resources import with_attrs
from .sizes import SIZES_45F

__all__ = ["LOGICBONE"]


class _Platform(LogicbonePlatform):
    resources = (
        # The board has no resistor at MDIO (litex_boards/platforms/logicbone.py).
        *(
            with_attrs(r, "mdio", PULLMODE="UP") if r.name == "eth_rgmii" else r
            for r in LogicbonePlatform.resources
        ),
        # Where a BeagleBone has its UART1: pins 24 and 26 of P9 (oskirby/logicbone-tests,
        # verilog/logicbone-rev0.lpf; the connector's table in amaranth_boards 0.0.21 is off by one).
        UARTResource(0, tx="A7", rx="B6", attrs=Attrs(IO_TYPE="LVCMOS33", PULLMODE="UP")),
    )


LOGICBONE = Board(
    name="logicbone",
    title="LogicBone with LFE5UM5G-45F",
    platform=_Platform,
    oscillator_hz=25_000_000,
    ports=(EthernetPort(0),),
    phy=phys.LOGICBONE,
    sizes=SIZES_45F,
    timing_model="LFE5UM-45F-8",
    # Of its boot loader, as in amaranth_boards/logicbone.py; openFPGALoader needs them for a file without a DFU suffix.
    loader=("--dfu", "--vid", "0x1d50", "--pid", "0x615d", "--altsetting", "0"),
    leds=(Led("led", 0),),
)
