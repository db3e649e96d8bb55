"""An unmodified Open vSwitch per server: the distribution's own binaries, userspace datapath."""

import time
from pathlib import Path

from opentep.host.vswitch.ovs import NOWHERE

from .namespace import Namespace
from .shell import LabError, run
from .state import Lab

__all__ = ["OpenVSwitch"]

_SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
_START_SECONDS = 10.0


class OpenVSwitch:
    """Open vSwitch on one server, with its own database and folder."""

    bridge = "br0"

    def __init__(self, lab: Lab, server: str):
        self.lab = lab
        self.server = server
        self.socket = lab.folder / f"{server}.db.sock"

    @property
    def _environment(self) -> dict[str, str]:
        return {"OVS_RUNDIR": str(self.lab.folder / f"{self.server}.ovs")}

    def start(self) -> None:
        """Database server and switch; returns when the bridge is there, without VM ports."""
        lab, host = self.lab, self.lab.host(self.server)
        folder = lab.folder / f"{self.server}.ovs"
        folder.mkdir()
        database = folder / "conf.db"
        run(["ovsdb-tool", "create", str(database), str(_SCHEMA)])
        lab.start(
            f"{self.server}-ovsdb",
            ["ovsdb-server", str(database), f"--remote=punix:{self.socket}", "--no-chdir"]
            + [f"--unixctl={folder}/ovsdb.ctl", "-vconsole:warn"],
            environment=self._environment,
        )
        self._await(self.socket)
        self.vsctl("--no-wait", "init")
        lab.start(
            f"{self.server}-vswitchd",
            host.wrap(["ovs-vswitchd", f"unix:{self.socket}", "--no-chdir", "-vconsole:warn"])
            + [f"--unixctl={folder}/vswitchd.ctl"],
            environment=self._environment,
        )
        self.vsctl("add-br", self.bridge, "--", "set", "bridge", self.bridge, "datapath_type=netdev")

    def _await(self, path: Path) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not path.exists():
            self.lab.require_alive()
            if time.monotonic() > deadline:
                raise LabError(f"Open vSwitch on {self.server} did not start within {_START_SECONDS:.0f} s")
            time.sleep(0.02)

    def plug(self, interface: str) -> None:
        """Give the bridge a port that reaches nobody; what VLAN it is in is the controller's business."""
        self.vsctl("add-port", self.bridge, interface, f"tag={NOWHERE}")

    def vsctl(self, *arguments: str) -> str:
        return run(
            ["ovs-vsctl", f"--db=unix:{self.socket}", "--timeout=20", *arguments],
            environment=self._environment,
        ).stdout.strip()

    def attached_mac(self, interface: str) -> str:
        """The MAC address that the controller wrote for whoever plugs the VM in, as a hypervisor reads it."""
        return self.vsctl("get", "Interface", interface, "external_ids:attached-mac").strip('"')

    def tag(self, interface: str) -> int:
        return int(self.vsctl("get", "Port", interface, "tag"))

    @property
    def host(self) -> Namespace:
        return self.lab.host(self.server)
