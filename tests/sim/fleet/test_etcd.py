"""An etcd of one's own goes with whoever started it."""

import subprocess
import sys
import time
import urllib.request

from opentep.sim.fleet.etcd import Etcd

_STARTER = """
import sys
import time
from pathlib import Path
from opentep.sim.fleet.etcd import Etcd
etcd = Etcd(Path(sys.argv[1]))
etcd.start()
print(etcd.port, flush=True)
time.sleep(600)
"""


def answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/version", timeout=30).close()
    except OSError:
        return False
    return True


def test_it_ends_when_its_starter_is_killed(tmp_path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _STARTER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        port = int(starter.stdout.readline())
        assert answers(port)
        starter.kill()
    end = time.monotonic() + 30
    while answers(port):
        assert time.monotonic() < end, "etcd goes on"
        time.sleep(0.05)


def test_it_can_be_killed_and_started_again(tmp_path) -> None:
    etcd = Etcd(tmp_path)
    for _ in range(2):
        etcd.start()
        assert "etcd_server_has_leader 1" in etcd.metrics()
        etcd.kill()
