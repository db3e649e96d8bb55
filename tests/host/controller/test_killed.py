"""A controller that is killed at any moment leaves a fabric that holds together."""

import os
import random
import signal
import time
from contextlib import closing, suppress

import pytest
from opentep.host.controller import Repository
from opentep.host.controller.objects import Key
from opentep.host.fabric import FabricError
from opentep.host.fabric.large import large_document
from opentep.host.fabric.source import read_source
from opentep.host.store import open_store

from .integrity import check_integrity

TEPS, TENANTS = 4, 6


def change_for_ever(location: str, seed: int) -> None:
    """Small changes and large ones."""
    rng = random.Random(seed)
    with closing(open_store(location)) as store:
        repository = Repository(store, "victim")
        while True:
            with suppress(FabricError):
                if rng.randrange(6) == 0:
                    text = large_document(TEPS, TENANTS, rng.randrange(60, 90), seed=rng.randrange(3))
                    repository.replace("apply", read_source(text, "f"))
                else:
                    vm = {
                        "tenant": f"tenant{rng.randrange(TENANTS)}",
                        "vswitch": f"vswitch{rng.randrange(TEPS)}",
                    }
                    name = f"vm{rng.randrange(80)}"
                    repository.edit("edit", lambda get, n=name, v=rng.choice((None, vm)): {Key("vms", n): v})


def run_and_kill(location: str, seed: int, seconds: float) -> None:
    child = os.fork()
    if not child:
        try:
            change_for_ever(location, seed)
        finally:
            os._exit(1)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "it should have gone on for ever"


def check(location: str, rounds: int, seconds: float) -> int:
    """Revisions that were made; each child lives for up to ``seconds``."""
    rng = random.Random(rounds)
    with closing(open_store(location)) as store:
        repository = Repository(store, "parent")
        repository.replace("import", read_source(large_document(TEPS, TENANTS, 60), "f"))
        for number in range(rounds):
            run_and_kill(location, number, seconds * (0.1 + 0.9 * rng.random()))
            check_integrity(repository, log=False)
            with store.transaction():
                pass  # takes back what there is of the child's, and has the right to change by then
            check_integrity(repository, log=number % 100 == 0)
        check_integrity(repository)
        return repository.revision


@pytest.mark.parametrize(
    "rounds", [15, pytest.param(1000, marks=[pytest.mark.long, pytest.mark.timeout(3600)])]
)
def test_sqlite(tmp_path, rounds):
    assert check(str(tmp_path / "fabric.db"), rounds, 0.17) > rounds // 2


@pytest.mark.parametrize(
    "rounds", [3, pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(3600)])]
)
def test_etcd(etcd, tmp_path, rounds):
    assert check(f"etcd://127.0.0.1:{etcd.port}/{tmp_path.name}-{rounds}", rounds, 1.5) > rounds // 2
