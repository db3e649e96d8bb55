"""From the document's words to a running TEP at the other end of a host link."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentep.host.driver import Driver
from opentep.host.link.client import LinkClient
from opentep.host.link.shadow import ShadowClient
from opentep.host.link.transport import SerialTransport
from opentep.host.registers import RegisterAccess

__all__ = ["open_driver"]


@contextmanager
def open_driver(device: str, baud: int | None = None, *, lasting: bool = False) -> Iterator[Driver]:
    """Connect to the TEP at serial device (or pty) ``device``.

    ``lasting``: to stay, and to remember what the TEP holds.
    Raises ``TransportError``, ``LinkError`` or ``WrongDeviceError``.
    """
    transport = SerialTransport(device) if baud is None else SerialTransport(device, baud)
    with LinkClient(transport) as client:
        if lasting:
            shadow = ShadowClient(client)
            yield Driver(RegisterAccess(shadow), shadow=shadow)
        else:
            yield Driver(RegisterAccess(client))
