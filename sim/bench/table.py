"""Results as rows of a table, one table per test."""

from collections.abc import Sequence

from .result import Detail, Result

__all__ = ["as_rows", "heading", "names_of"]

_NO_SHARE = ("of the frames", "ns")
"""Units whose limit is not what should be reached."""

_SHARES = ("of the line", "congested output loses", "has to")
"""Details that are parts of a whole."""


def names_of(results: Sequence[Result]) -> list[str]:
    """Names of the tests, in order."""
    return list(dict.fromkeys(result.test for result in results))


def heading(result: Result) -> str:
    """What a table of results like this one is about, such as ``RFC 2544 throughput``."""
    return f"{result.suite[:3].upper()} {result.suite[3:]} {result.test}"


def as_rows(results: Sequence[Result]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows for results of one test."""
    first = results[0]
    judged = any(result.passed is not None for result in results)
    shares = any(result.share is not None for result in results) and first.unit not in _NO_SHARE
    columns = ["flow", "size", f"measured ({first.unit})", "theoretical limit"]
    columns += ["of limit"] * shares + list(first.details) + ["ok"] * judged
    rows = []
    for result in results:
        limit = "none" if result.limit is None else _figure(result.limit, result.unit)
        row = [result.flow, result.size, _figure(result.measured, result.unit), limit]
        if shares:
            row.append("" if result.share is None else f"{result.share:.1%}")
        row += [_detail(name, value) for name, value in result.details.items()]
        if judged:
            row.append({True: "yes", False: "NO", None: ""}[result.passed])
        rows.append(row)
    return columns, rows


def _figure(value: float, unit: str) -> str:
    return f"{value:.2%}" if unit == "of the frames" else f"{value:,.0f}"


def _detail(name: str, value: Detail) -> str:
    if isinstance(value, str):
        return value
    if name in _SHARES:
        return f"{value:.1%}"
    return f"{value:,.0f}" if isinstance(value, int) or value >= 100 else f"{value:.2f}"
