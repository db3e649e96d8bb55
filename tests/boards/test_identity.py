"""The number of a build changes with every octet of the sources and every choice, and with nothing else."""

import shutil
from pathlib import Path

import pytest
from opentep.boards.identity import build_number, hash_sources
from opentep.gateware.params import Params

PARAMS = Params().as_dict()


def number(folder: Path, **choices: object) -> int:
    return hash_sources([("gateware", folder)], choices)


@pytest.fixture
def tree(tmp_path):
    folder = tmp_path / "tree"
    (folder / "part").mkdir(parents=True)
    (folder / "a.py").write_text("first\n")
    (folder / "part" / "b.py").write_text("second\n")
    return folder


def test_the_same_anywhere_and_beside_what_is_no_source(tree, tmp_path):
    before = number(tree, width=32)
    copy = tmp_path / "quite" / "elsewhere"
    shutil.copytree(tree, copy)
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "a.cpython-311.pyc").write_bytes(b"compiled")
    (copy / "notes.txt").write_text("nothing to do with it")
    assert number(copy, width=32) == before
    assert 0 <= before < 1 << 32


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: (tree / "a.py").write_text("first.\n"),
        lambda tree: (tree / "a.py").rename(tree / "c.py"),
        lambda tree: (tree / "a.py").rename(tree / "part" / "a.py"),
        lambda tree: (tree / "new.py").write_text(""),
        lambda tree: (tree / "part" / "b.py").unlink(),
    ],
)
def test_every_change_of_the_sources_counts(tree, change):
    before = number(tree)
    change(tree)
    assert number(tree) != before


def test_content_that_moves_between_files_counts(tree):
    before = number(tree)
    (tree / "a.py").write_text("first\ns")
    (tree / "part" / "b.py").write_text("econd\n")
    assert number(tree) != before


def test_choices_count(tree):
    assert len({number(tree, width=32), number(tree, width=64), number(tree), number(tree, depth=32)}) == 4


def test_of_this_tree():
    boards = [build_number(board, PARAMS) for board in ("versa-ecp5", "versa-ecp5-5g")]
    assert boards[0] != boards[1]
    assert boards[0] == build_number("versa-ecp5", dict(reversed(PARAMS.items())))
    assert boards[0] != build_number("versa-ecp5", PARAMS | {"macs": 4096})
