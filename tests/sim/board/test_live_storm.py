"""Storm control in a live board: buckets fill with the real clock, also while the simulated one stands still."""

import json
import os
import socket
import struct
import subprocess
import sys
import time

import pytest
from opentep.gateware.params import Params
from opentep.host.connect import open_driver
from opentep.host.tables import Local, MacTableEntry, Port, ReplicaList, Storm, Tenant, TepTables
from opentep.sim.interfaces import network_namespace
from opentep.sim.verilate import board_library

PARAMS = Params(access_ports=2, fabric_ports=1, tenants=64, counted_tenants=64, storm_tenants=64)
BOARD = """
import json, sys
from opentep.gateware.params import Params
from opentep.sim.interfaces import Attachment
from opentep.sim.live import BoardConfig, PortConfig, run_board
from pathlib import Path
ports = tuple(PortConfig(f"p{i}", Attachment.parse(text)) for i, text in enumerate(sys.argv[3:]))
config = BoardConfig(Params(**json.loads(sys.argv[1])), ports, Path(sys.argv[2]))
run_board(config, ready=lambda: print("ready", flush=True))
"""
SENDER, RECEIVER = 0x020001000001, 0x020001000002
RATE, BURST = 10, 5
TABLES = TepTables(
    name="live",
    address=1,
    ports=(Port("p0", "access"), Port("p1", "access"), Port("p2", "fabric", mac=0x02FF00000001)),
    tenants=(Tenant(20, "red", (0x020001,), flood_list=2, storm=Storm(RATE, BURST)),),
    macs=(MacTableEntry(20, SENDER, Local(0, 10)), MacTableEntry(20, RECEIVER, Local(0, 11))),
    lists=(ReplicaList(2, {0: (10, 11)}),),
)
_OUTGOING = 4
"""PACKET_OUTGOING: what this host sent itself."""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def server(tmp_path, new_namespace):
    """A raw socket at the other end of port 0 of a board that is configured."""
    link = tmp_path / "link"
    with new_namespace(f"opentep-storm-{os.getpid()}") as name:
        board_library(PARAMS)
        command = [sys.executable, "-c", BOARD, json.dumps(PARAMS.as_dict()), str(link), f"tap:vm@{name}"]
        with subprocess.Popen([*command, "none", "none"], stdout=subprocess.PIPE, text=True) as board:
            try:
                assert board.stdout is not None and board.stdout.readline() == "ready\n"
                ip("-n", name, "link", "set", "vm", "up")
                with network_namespace(name):
                    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
                with raw, open_driver(str(link)) as driver:
                    raw.bind(("vm", 3))
                    raw.settimeout(2)
                    driver.apply(TABLES)
                    yield raw, driver
            finally:
                board.terminate()
                board.wait(10)


def burst(raw: socket.socket, count: int) -> int:
    """How many of ``count`` broadcasts reach the other VM."""
    frame = b"\xff" * 6 + SENDER.to_bytes(6, "big") + struct.pack("!HHH", 0x8100, 10, 0x88B5) + bytes(42)
    for _ in range(count):
        raw.send(frame)
    received = 0
    try:
        while True:
            octets, (_, _, kind, *_) = raw.recvfrom(2048)
            received += kind != _OUTGOING and octets[6:12] == frame[6:12]
    except TimeoutError:
        return received


def test_buckets_fill_with_the_real_clock(server) -> None:
    raw, driver = server
    passed = 0
    start = time.monotonic()
    for _ in range(2):
        count = burst(raw, 30)  # and two seconds in which nothing comes
        assert count >= BURST
        passed += count
    assert passed <= BURST + RATE * (time.monotonic() - start)
    assert driver.counters(TABLES)["ports"]["p0"]["drops"]["storm"] == 60 - passed
