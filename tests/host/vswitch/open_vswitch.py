"""Unmodified Open vSwitch with its dummy datapath, which needs no privileges."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

__all__ = ["IS_INSTALLED", "Ovs"]

SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
SERVER = shutil.which("ovsdb-server", path=PATH)
SWITCH = shutil.which("ovs-vswitchd", path=PATH)
TOOL = shutil.which("ovsdb-tool", path=PATH)
VSCTL = shutil.which("ovs-vsctl", path=PATH)
IS_INSTALLED = all((SERVER, SWITCH, TOOL, VSCTL, SCHEMA.exists()))


class Ovs:
    """An Open vSwitch instance of its own."""

    def __init__(self, folder: Path):
        self.socket = folder / "db.sock"
        self.target = f"unix:{self.socket}"
        self._environment = {**os.environ, "OVS_RUNDIR": str(folder), "OVS_LOGDIR": str(folder)}
        self._database = folder / "conf.db"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        subprocess.run([str(TOOL), "create", str(self._database), str(SCHEMA)], check=True)
        self.start("server")
        self.vsctl("--no-wait", "init")
        self.start("switch")
        self.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=dummy")
        for name in ("uplink", "a", "b", "other"):
            self.vsctl("add-port", "br0", name, "--", "set", "interface", name, "type=dummy")

    def start(self, which: str) -> None:
        """The database (``server``), or what switches (``switch``)."""
        common = ["--no-chdir", "-vconsole:off"]
        if which == "server":
            self.socket.unlink(missing_ok=True)
            command = [str(SERVER), str(self._database), f"--remote=punix:{self.socket}", *common]
        else:
            command = [str(SWITCH), self.target, "--enable-dummy=override", *common]
        self._processes[which] = subprocess.Popen(command, env=self._environment)
        deadline = time.monotonic() + 20
        while not self.socket.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def kill(self, which: str) -> None:
        """Without a chance to tidy up."""
        process = self._processes.pop(which)
        process.kill()
        process.wait(10)

    def vsctl(self, *arguments: str) -> str:
        command = [str(VSCTL), f"--db={self.target}", "--timeout=20", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def get(self, table: str, name: str, column: str) -> object:
        text = self.vsctl("--format=json", "--columns", column, "list", table, name)
        return json.loads(text)["data"][0][0]

    def close(self) -> None:
        for which in list(self._processes):
            self.kill(which)
