"""A database `hardware_vtep` of its own, with the tools of Debian's openvswitch-vtep."""

import os
import shutil
import subprocess
import time
from pathlib import Path

from opentep.host.ovsdb import Ovsdb
from opentep.host.vtep.rows import DATABASE, UNKNOWN, Rows

__all__ = ["IS_INSTALLED", "Vtep"]

SCHEMA = Path("/usr/share/openvswitch/vtep.ovsschema")
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
SERVER, TOOL, CTL = (shutil.which(name, path=PATH) for name in ("ovsdb-server", "ovsdb-tool", "vtep-ctl"))
IS_INSTALLED = all((SERVER, TOOL, CTL, SCHEMA.exists()))


class Vtep:
    """What a network controller sees, and does."""

    def __init__(self, folder: Path):
        self.socket = folder / "vtep.sock"
        self.target = f"unix:{self.socket}"
        self._environment = {**os.environ, "OVS_RUNDIR": str(folder), "OVS_LOGDIR": str(folder)}
        self._database = folder / "vtep.db"
        subprocess.run([str(TOOL), "create", str(self._database), str(SCHEMA)], check=True)
        self.start()

    def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        server = [str(SERVER), str(self._database), f"--remote=punix:{self.socket}", "--no-chdir"]
        self.process = subprocess.Popen([*server, "-vconsole:off"], env=self._environment)
        deadline = time.monotonic() + 20
        while not self.socket.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def ctl(self, *arguments: str) -> list[str]:
        """Lines that vtep-ctl prints."""
        command = [str(CTL), f"--db={self.target}", "--timeout=20", *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=self._environment)
        return [line.strip() for line in done.stdout.splitlines()]

    def rows(self) -> Rows:
        with Ovsdb(self.target, DATABASE) as database:
            return Rows(database)

    def ports(self) -> list[dict]:
        """All physical ports."""
        return list(self.rows().tables["Physical_Port"].values())

    def local_macs(self) -> set[tuple[str, str, str, str]]:
        """Logical switch, MAC address, address of the TEP, IP address."""
        rows = self.rows()
        return {
            (rows.logical_name(row), row["MAC"], locator["dst_ip"], row["ipaddr"])
            for row in rows.tables["Ucast_Macs_Local"].values()
            for locator in rows.referred("Physical_Locator", row["locator"])
        }

    def local_floods(self) -> dict[str, tuple[str, ...]]:
        """Addresses by logical switch."""
        rows = self.rows()
        macs = rows.tables["Mcast_Macs_Local"].values()
        return {rows.logical_name(row): rows.addresses(row) for row in macs if row["MAC"] == UNKNOWN}
