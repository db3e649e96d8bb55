"""A YoWASP tool is alone when it runs for the first time."""

import os
from concurrent.futures import ThreadPoolExecutor

from opentep.boards.tools import run_tool

_TOOL = """#!/bin/sh
echo "$1 begins" >> uses
[ "$1" = --version ] && sleep 0.3
echo "$1 ends" >> uses
"""


def test_the_first_use_is_nobody_elses(tmp_path, monkeypatch):
    tool = tmp_path / "yowasp-of-this-test"
    tool.write_text(_TOOL)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)

    def run(number: int) -> bool:
        return run_tool(tool.name, ["work"], cwd=tmp_path, log=tmp_path / f"{number}.log")

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(run, range(4)))
    uses = (tmp_path / "uses").read_text().splitlines()
    assert uses[:2] == ["--version begins", "--version ends"]
    assert sorted(uses[2:]) == ["work begins"] * 4 + ["work ends"] * 4
