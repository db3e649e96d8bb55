"""A TEP as its users have it: a live virtual board, its ports in a network namespace, its host link a pty."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from opentep.host.document import open_document
from opentep.sim.interfaces import network_namespace
from opentep.sim.lab.namespace import Namespace
from opentep.sim.packets import ethernet, tag

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "two-racks.yaml"
OPENTEP = [sys.executable, "-m", "opentep.host.cli"]
PORTS = ("server", "uplink")
EXPERIMENT = 0x88B5
_ALL = 3
"""ETH_P_ALL."""


@dataclass
class LiveTep:
    """The first rack of the example."""

    link: Path
    document: Path
    host: Namespace
    """Where the other ends of the ports are."""
    sockets: dict[str, socket.socket]
    """Raw, by port: what is sent there comes in on the port."""

    def command(self, *arguments: object) -> list[str]:
        """`opentep` with ``arguments`` for this TEP."""
        name, *rest = map(str, arguments)
        return [*OPENTEP, name, "-f", str(self.document), "-t", "rack1", "-l", str(self.link), *rest]

    def run(self, *arguments: object) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(self.command(*arguments), check=True, timeout=120, capture_output=True)

    def vm_frame(self, vm: str, dst: int, payload: bytes) -> bytes:
        """A frame as the vSwitch of ``vm`` sends it."""
        sender = open_document(self.document).fabric.vms[vm]
        assert sender.mac is not None and sender.vlan is not None
        return tag(ethernet(dst, sender.mac, EXPERIMENT, payload.ljust(46, b".")), sender.vlan)


@pytest.fixture(scope="session")
def live_tep(
    tmp_path_factory: pytest.TempPathFactory, new_namespace: Callable[[str], AbstractContextManager[str]]
) -> Iterator[LiveTep]:
    folder = tmp_path_factory.mktemp("live")
    link, document = folder / "link", folder / "fabric.yaml"
    document.write_text(EXAMPLE.read_text())
    with new_namespace(f"opentep-cli-{os.getpid()}") as name:
        host = Namespace(name)
        host.sysctl("net.ipv6.conf.default.disable_ipv6=1")  # only what the test sends
        attached = [word for port in PORTS for word in ("--port", f"{port}=tap:{port}@{host.name}")]
        with subprocess.Popen(
            [*OPENTEP, "board", *attached, "--link", str(link)], stdout=subprocess.PIPE, text=True
        ) as board:
            try:
                assert board.stdout is not None and board.stdout.readline().startswith("running")
                for port in PORTS:
                    host.ip(f"link set {port} mtu 2000 up")
                with network_namespace(host.name):
                    sockets = {
                        port: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
                        for port in PORTS
                    }
                    for port, raw in sockets.items():
                        raw.bind((port, _ALL))
                        raw.settimeout(20)
                tep = LiveTep(link, document, host, sockets)
                tep.run("apply", "--no-vswitches")
                yield tep
                for raw in sockets.values():
                    raw.close()
            finally:
                board.terminate()
                board.wait(20)
