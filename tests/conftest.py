"""Rules for the whole test run."""

import os

import pytest


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI everything that the tests need is there: a skipped test is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not os.environ.get("CI"):
        return
    if reporter.stats.get("skipped"):
        reporter.write_line("ERROR: tests were skipped in CI, see the summary", red=True)
        session.exitstatus = max(exitstatus, pytest.ExitCode.TESTS_FAILED)
