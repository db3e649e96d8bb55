"""Rules for the whole test run."""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import ModuleType

import pytest


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI everything that the tests need is there: a skipped test is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not os.environ.get("CI"):
        return
    if reporter.stats.get("skipped"):
        reporter.write_line("ERROR: tests were skipped in CI, see the summary", red=True)
        session.exitstatus = max(exitstatus, pytest.ExitCode.TESTS_FAILED)


@pytest.fixture(scope="session")
def small() -> ModuleType:
    """The module tests/boards/small.py: a design that takes seconds to build."""
    path = Path(__file__).parent / "boards" / "small.py"
    spec = importlib.util.spec_from_file_location("small", path)
    assert spec is not None and spec.loader is not None, f"{path} is there"
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def _namespace(name: str) -> Iterator[str]:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and iproute2 to make network namespaces")
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        pytest.skip("this kernel lets nobody make network namespaces")
    try:
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True, capture_output=True)


@pytest.fixture(scope="session")
def new_namespace() -> Callable[[str], AbstractContextManager[str]]:
    """Makes a network namespace for as long as a block lasts; skips the test where that is not possible."""
    return _namespace
