"""What commands have in common that run until they are told to stop."""

import logging
import signal
import threading

__all__ = ["begin_service"]


def begin_service(package: str) -> threading.Event:
    """Have ``package`` log what it does; set as soon as SIGTERM or SIGINT comes."""
    logging.getLogger(package).setLevel(logging.INFO)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
