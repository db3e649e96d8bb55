"""Takes a lab down when its owner dies, however it dies."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from .state import Lab

__all__ = ["guarded"]


@contextmanager
def guarded(lab: Lab) -> Iterator[None]:
    """The lab does not outlive this block, nor this process.

    A child in its own session waits at a pipe whose other end only this process holds: when the kernel closes
    it, be it after SIGKILL, the child destroys the lab.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        # Signals meant for the owner (Ctrl-C reaches the whole group) must not stop the clean-up.
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.close(write)
        try:
            os.read(read, 1)
            lab.destroy()
        finally:
            os._exit(0)
    os.close(read)
    try:
        yield
    finally:
        os.close(write)
        os.waitpid(child, 0)
