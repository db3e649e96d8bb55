"""The wheel holds everything and works on its own."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("boards", "gateware", "host", "sim")
DATA_SUFFIXES = {".cpp", ".css", ".h", ".hpp", ".html", ".js", ".json", ".v", ".yaml"}


def source_files() -> set[Path]:
    """What the parts consist of, relative to the root."""
    return {
        path.relative_to(ROOT)
        for part in PARTS
        for path in (ROOT / part).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def run(*command: str, cwd: Path, **environment: str) -> str:
    result = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing that lies about in the tree gets in, and the tree stays clean."""
    copy = tmp_path_factory.mktemp("source")
    for file in source_files():
        (copy / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, copy / file)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", cwd=copy)
    (built,) = (copy / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps")
    run(*pip, "--no-index", "--target", str(target), str(wheel), cwd=target)
    return target


def test_wheel_holds_every_package_and_data_file(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {
        f"opentep/{file.as_posix()}"
        for file in source_files()
        if file.suffix in {".py", *DATA_SUFFIXES} or file.name == "py.typed"
    }
    assert held == expected
    assert {f"opentep/{part}/__init__.py" for part in PARTS} <= held


def test_installed_wheel_runs(installed: Path) -> None:
    """The command of the wheel, not of the tree, with what it reads from its data files."""
    # No site-packages of the tree may come first: PYTHONPATH stands before them.
    environment = {"PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    where = run(
        sys.executable,
        "-c",
        "import opentep.host; print(opentep.host.__file__)",
        cwd=installed,
        **environment,
    )
    assert Path(where.strip()).is_relative_to(installed)
    assert "Usage: opentep" in run(
        sys.executable, str(installed / "bin" / "opentep"), "--help", cwd=installed, **environment
    )
    schema = run(sys.executable, "-m", "opentep.host.cli", "schema", cwd=installed, **environment)
    assert '"$schema"' in schema
