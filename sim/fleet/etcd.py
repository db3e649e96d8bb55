"""A real etcd of one's own."""

import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

__all__ = ["Etcd", "EtcdError", "free_port"]


class EtcdError(Exception):
    """It is not installed, or does not start."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Etcd:
    """A cluster of one, with its data in ``folder``, that can be killed and started again, and does not outlive who
    started it.

    ``tls``: a folder with ``ca.pem``, ``server.pem`` and ``server.key``; clients need a certificate as well, then.
    """

    def __init__(self, folder: Path, tls: Path | None = None):
        self.folder = folder
        self._tls = tls
        self.port = free_port()
        self._peer = free_port()
        self._metrics = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def location(self) -> str:
        """Of a store there."""
        return f"etcd://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Raises :class:`EtcdError`."""
        if shutil.which("etcd") is None:
            raise EtcdError("etcd is not installed; remedy: apt-get install etcd-server")
        scheme = "http" if self._tls is None else "https"
        client, peer = f"{scheme}://127.0.0.1:{self.port}", f"http://127.0.0.1:{self._peer}"
        metrics = f"http://127.0.0.1:{self._metrics}"
        with (self.folder / "etcd.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL"]
                + ["etcd", "--data-dir", str(self.folder / "data"), "--listen-client-urls", client]
                + ["--advertise-client-urls", client, "--listen-peer-urls", peer]
                + ["--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"]
                + ["--listen-metrics-urls", metrics]
                + self._certificates(),
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + 60
        while not self._is_healthy():
            if time.monotonic() > end or self._process.poll() is not None:
                raise EtcdError(f"etcd does not start: see {self.folder / 'etcd.log'}")
            time.sleep(0.05)

    def _certificates(self) -> list[str]:
        if self._tls is None:
            return []
        files = {"cert": "server.pem", "key": "server.key", "trusted-ca": "ca.pem"}
        return ["--client-cert-auth", *(f"--{name}-file={self._tls / file}" for name, file in files.items())]

    def metrics(self) -> str:
        """What it says of itself, for Prometheus. Raises ``OSError``."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics}/metrics", timeout=30) as answer:
            text: str = answer.read().decode()
            return text

    def _is_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics}/health", timeout=1) as answer:
                return b'"true"' in answer.read()
        except OSError:
            return False

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
