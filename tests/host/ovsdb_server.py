"""Real OVSDB servers, as Debian's packages bring them, and programs that speak to them."""

import os
import shutil
import subprocess
import time
from pathlib import Path

__all__ = ["OvsdbServer", "find_programs"]

_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def find_programs(*names: str) -> tuple[str, ...] | None:
    """Their paths; ``None`` if one is not installed."""
    paths = [shutil.which(name, path=_PATH) for name in names]
    return tuple(path for path in paths if path is not None) if all(paths) else None


class OvsdbServer:
    """One database, made from ``schema``, in ``folder``; it runs and can be killed and started again."""

    def __init__(self, folder: Path, name: str, schema: Path):
        self._socket = folder / f"{name}.sock"
        self.target = f"unix:{self._socket}"
        variables = (
            f"{family}_{what}" for family in ("OVS", "OVN") for what in ("RUNDIR", "LOGDIR", "DBDIR")
        )
        self._environment = {**os.environ, **dict.fromkeys(variables, str(folder))}
        self._database = folder / f"{name}.db"
        self.run("ovsdb-tool", "create", str(self._database), str(schema))
        self.start()

    def start(self) -> None:
        self._socket.unlink(missing_ok=True)
        self._process = self.begin("ovsdb-server", str(self._database), f"--remote=punix:{self._socket}")
        deadline = time.monotonic() + 20
        while not self._socket.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def kill(self) -> None:
        """Without a chance to tidy up."""
        self._process.kill()
        self._process.wait(10)

    def begin(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """A service that keeps its files where the database is."""
        (program,) = find_programs(name) or (name,)
        command = [program, *arguments, "--no-chdir", "-vconsole:off"]
        return subprocess.Popen(command, env=self._environment)

    def run(self, name: str, *arguments: str) -> str:
        """What a program prints."""
        (program,) = find_programs(name) or (name,)
        done = subprocess.run(
            [program, *arguments], check=True, capture_output=True, text=True, env=self._environment
        )
        return done.stdout

    def command(self, name: str, *arguments: str) -> str:
        """The same for a program such as vtep-ctl, about this database."""
        return self.run(name, f"--db={self.target}", "--timeout=20", *arguments)
