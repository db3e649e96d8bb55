"""Unmodified Open vSwitch with its dummy datapath, which needs no privileges."""

import json
import subprocess
from pathlib import Path

from ..ovsdb_server import OvsdbServer, find_programs

__all__ = ["IS_INSTALLED", "Ovs"]

_SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
_PROGRAMS = ("ovsdb-server", "ovs-vswitchd", "ovsdb-tool", "ovs-vsctl")
IS_INSTALLED = _SCHEMA.exists() and find_programs(*_PROGRAMS) is not None


class Ovs:
    """An Open vSwitch instance of its own."""

    def __init__(self, folder: Path):
        self._server = OvsdbServer(folder, "db", _SCHEMA)
        self.target = self._server.target
        self._switch: subprocess.Popen[bytes]
        self.vsctl("--no-wait", "init")
        self.start("switch")
        self.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=dummy")
        for name in ("uplink", "a", "b", "other"):
            self.vsctl("add-port", "br0", name, "--", "set", "interface", name, "type=dummy")

    def start(self, which: str) -> None:
        """The database (``server``), or what switches (``switch``)."""
        if which == "server":
            self._server.start()
        else:
            self._switch = self._server.begin("ovs-vswitchd", self.target, "--enable-dummy=override")

    def kill(self, which: str) -> None:
        """Without a chance to tidy up."""
        if which == "server":
            self._server.kill()
        else:
            self._switch.kill()
            self._switch.wait(10)

    def vsctl(self, *arguments: str) -> str:
        return self._server.command("ovs-vsctl", *arguments).strip()

    def get(self, table: str, name: str, column: str) -> object:
        text = self.vsctl("--format=json", "--columns", column, "list", table, name)
        return json.loads(text)["data"][0][0]

    def close(self) -> None:
        for which in ("switch", "server"):
            self.kill(which)
