"""What the cocotb modules of boards share: partners at the pins, and the host software behind the UART."""

import json
import os
import struct
import zlib

import cocotb
from cocotb.clock import Clock
from cocotb.task import resume
from cocotb.triggers import Event, First, Timer
from cocotb.utils import get_sim_time
from cocotbext.eth import GmiiFrame, RgmiiPhy
from cocotbext.uart import UartSink, UartSource
from opentep.boards.catalogue import BOARDS
from opentep.host.link.client import LinkClient

BOARD = BOARDS[os.environ["BOARD"]]
PINS = json.loads(os.environ["PINS"])
"""Top-level port names by what they are."""


def pin(dut, *path):
    return getattr(dut, PINS["__".join(map(str, path))])


class Partner:
    """What is at the other end of a port's wire: Ethernet frames without preamble and FCS."""

    def __init__(self, dut, number: int, speed: float, ppm: float = 0.0):
        pins = {name: pin(dut, "eth", number, name) for name in ("tx_data", "tx_ctl", "tx_clk", "rx_data", "rx_ctl", "rx_clk")}
        self.phy = _OffsetPhy(
            pins["tx_data"], pins["tx_ctl"], pins["tx_clk"],
            pins["rx_data"], pins["rx_ctl"], pins["rx_clk"], speed=speed, ppm=ppm,
        )  # fmt: skip

    def send(self, frame: bytes, *, good_fcs: bool = True, gap: int = 12) -> None:
        padded = frame.ljust(60, b"\0")
        fcs = zlib.crc32(padded) ^ (0 if good_fcs else 1)
        self.phy.rx.ifg = gap
        self.phy.rx.send_nowait(GmiiFrame.from_raw_payload(padded + struct.pack("<L", fcs)))
