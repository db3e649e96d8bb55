"""Fixtures of the tests of `hardware_vtep`."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .controller import Vtep
from .vtep_bench import DOCUMENT, Bench


@pytest.fixture
def make(vtep: Vtep, tmp_path: Path) -> Iterator[Callable[[str], Bench]]:
    made: list[Bench] = []

    def bench(document: str = DOCUMENT) -> Bench:
        made.append(Bench(vtep, tmp_path / "fabric.db", document))
        return made[-1]

    yield bench
    for each in made:
        each.store.close()


@pytest.fixture
def bench(make: Callable[[str], Bench]) -> Bench:
    """Whose TEPs are there already."""
    bench = make(DOCUMENT)
    bench.go()
    return bench
