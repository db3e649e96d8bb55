"""`opentep vtep` as a process."""

import signal
import subprocess
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from opentep.host.cli import main

from ..vtep.controller import Vtep
from .conftest import EXAMPLE, OPENTEP


def test_it_runs_until_told(vtep: Vtep, tmp_path: Path) -> None:
    store, document = tmp_path / "fabric.db", tmp_path / "fabric.yaml"
    document.write_text(EXAMPLE.read_text())
    result = CliRunner().invoke(main, ["--store", str(store), "import", str(document)])
    assert result.exit_code == 0, result.output
    process = subprocess.Popen(
        [*OPENTEP, "--store", str(store), "vtep", "--database", vtep.target, "--tep", "rack1"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while vtep.ctl("list-ps") != ["rack1"]:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.1)
        vtep.ctl("add-ls", "odd", "--", "bind-ls", "rack1", vtep.ctl("list-ports", "rack1")[0], "4095", "odd")
        while not any(row["port_fault_status"] == "invalid_vlan_map" for row in vtep.ports()):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "IEEE 802.1Q reserves it" in log and "Traceback" not in log


def test_nothing_is_done_with_a_wrong_store_or_tep(vtep: Vtep, tmp_path: Path) -> None:
    """What the database says about TEPs that are not there would be lost."""
    vtep.ctl("add-ps", "rack1")
    document = tmp_path / "fabric.yaml"
    document.write_text(EXAMPLE.read_text())
    store = tmp_path / "fabric.db"
    assert CliRunner().invoke(main, ["--store", str(store), "import", str(document)]).exit_code == 0
    for place, tep, message in (
        (tmp_path / "no.db", "rack1", "there is no store at"),
        (store, "rack11", "did you mean 'rack1'"),
    ):
        arguments = ["--store", str(place), "vtep", "--database", vtep.target, "--tep", tep]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 1 and message in result.output
    assert vtep.ctl("list-ps") == ["rack1"] and not (tmp_path / "no.db").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--database", "ssl:1.2.3.4"], "is not like unix:/run/openvswitch/db.sock"),
        (["--name", "a.b"], "is not like vtep"),
        (["--name", ""], "is not like vtep"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(main, ["vtep", *arguments])
    assert result.exit_code == 2 and message in result.output
