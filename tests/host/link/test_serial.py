"""The host client over a pty, as over any serial device, with the Verilated link behind it."""

import os
import threading
import tty

import pytest
from opentep.host.link.client import LinkClient, LinkTimeoutError
from opentep.host.link.transport import SerialTransport, TransportError
from opentep.sim.link_line import LinkLine


@pytest.fixture
def device():
    """Path of a pty whose other end is a simulated TEP's host link."""
    line = LinkLine()
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    stop = threading.Event()

    def pump():
        while not stop.is_set():
            try:
                line.send(os.read(ours, 4096))
            except BlockingIOError:
                stop.wait(0.0005)
            octets = line.receive()
            if octets:
                os.write(ours, octets)

    thread = threading.Thread(target=pump)
    thread.start()
    yield os.ttyname(theirs)
    stop.set()
    thread.join()
    os.close(ours)
    os.close(theirs)


def test_reads_and_writes(device):
    with LinkClient(SerialTransport(device), timeout=2.0) as client:
        client.write(1, [0x11000013])  # XON and XOFF must pass
        assert client.read(0, 2) == [0x600DF00D, 0x11000013]


def test_silence_is_reported():
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    with LinkClient(SerialTransport(os.ttyname(theirs)), timeout=0.05, attempts=3) as client:
        with pytest.raises(LinkTimeoutError, match="no answer to 3 attempts"):
            client.read(0)
    os.close(ours)
    os.close(theirs)


def test_missing_device():
    with pytest.raises(TransportError, match="cannot open /nowhere/tty: No such file"):
        SerialTransport("/nowhere/tty")


def test_device_in_use():
    ours, theirs = os.openpty()
    name = os.ttyname(theirs)
    transport = SerialTransport(name)
    with pytest.raises(TransportError, match=f"cannot open {name}: another program has it open"):
        SerialTransport(name)
    transport.close()
    os.close(theirs)
    os.close(ours)


def test_no_serial_device(tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(TransportError, match=f"cannot open {file}: "):
        SerialTransport(str(file))


def test_device_that_goes_away():
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    transport = SerialTransport(os.ttyname(theirs))
    os.close(theirs)
    os.close(ours)
    with pytest.raises(TransportError):
        transport.read(0.1)
    transport.close()
