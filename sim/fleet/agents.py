"""Agents of many TEPs in memory, as processes of their own: their TEPs, and they, do not wait for each other."""

import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.synchronize import Event

from opentep.gateware.params import Params
from opentep.host.agent import Agent
from opentep.host.driver import Driver
from opentep.host.link.shadow import ShadowClient
from opentep.host.registers import RegisterAccess

from .memory_device import MemoryDevice

__all__ = ["running"]

_VERIFY_SECONDS = 3600.0
"""Nobody else writes to these TEPs, and a thousand that are read back every minute keep a machine busy."""


@contextmanager
def _connect(device: MemoryDevice) -> Iterator[Driver]:
    shadow = ShadowClient(device)
    yield Driver(RegisterAccess(shadow), drain_seconds=0, retag_seconds=0, shadow=shadow)


def _run(location: str, names: Sequence[str], params: Params, count_seconds: float, stop: Event) -> None:
    """One thread for each TEP, until ``stop``, or until whoever could tell is dead."""
    halt = threading.Event()
    threads = []
    for name in names:
        device = MemoryDevice(params)
        agent = Agent(
            name,
            location,
            connect=lambda *_, device=device: _connect(device),
            verify_seconds=_VERIFY_SECONDS,
            count_seconds=count_seconds,
        )
        threads.append(threading.Thread(target=agent.run, args=(halt,), daemon=True))
        threads[-1].start()
    parent = multiprocessing.parent_process()
    while not stop.wait(1.0) and (parent is None or parent.is_alive()):
        pass
    halt.set()
    for thread in threads:
        thread.join()


@contextmanager
def running(location: str, names: Sequence[str], params: Params, count_seconds: float) -> Iterator[None]:
    """Agents of the TEPs ``names`` with the store at ``location``, in a process for each core of this machine.

    ``count_seconds``: how often each tells what its TEP counts.
    """
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    count = min(os.cpu_count() or 1, len(names))
    processes = [
        context.Process(
            target=_run, args=(location, names[part::count], params, count_seconds, stop), daemon=True
        )
        for part in range(count)
    ]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        stop.set()
        for process in processes:
            process.join(60)
            process.kill()
