"""PHYs on an MDIO bus, written from IEEE 802.3, 22.2.4."""

import random

import pytest

_DELAY_NS = 300
"""A PHY's output is right this long after MDC's rising edge (22.3.4)."""


class MdioPhys:
    """Any number of PHYs, as dicts of 32 registers by address, on the pins of a station.

    ``broadcast`` is an address at which all of them answer as well: where two differ, it is the lower level that shows.
    ``accesses`` tells all that was done: (address, register, value or None). Register 1's link bit is latched low:
    ``link_lost`` holds the addresses whose next read shows no link.
    """

    def __init__(self, clock_hz, seed):
        self.registers = {}
        self.broadcast = None
        self.link_lost = set()
        self.accesses = []
        self._rng = random.Random(seed)
        self._latest = max(clock_hz * _DELAY_NS // 10**9 - 1, 0)
        self._mdc = 0
        self._ones = 0
        self._bits = None
        self._output = []
        """Bits that the PHY still shows; None is high impedance."""
        self._level = None
        self._change = None

    def _at(self, address):
        return self.registers if address == self.broadcast else self.registers.keys() & {address}

    def _read(self, address, register):
        value = self.registers[address][register]
        if register == 1 and address in self.link_lost:
            self.link_lost.discard(address)
            return value & ~4
        return value

    def tick(self, mdc, mdio_o, mdio_oe):
        """One clock of the station; returns the level of MDIO."""
        line = mdio_o if mdio_oe else 1 if self._level is None else self._level
        if mdc and not self._mdc:
            self._rising(line, mdio_oe)
            if self._output or self._level is not None:
                self._change = self._rng.randint(0, self._latest)
        self._mdc = mdc
        if self._change == 0:
            self._level = self._output.pop(0) if self._output else None
        if self._change is not None:
            self._change = self._change - 1 if self._change else None
        assert not (mdio_oe and self._level is not None), "both drive MDIO"
        return mdio_o if mdio_oe else 1 if self._level is None else self._level

    def _rising(self, bit, driven):
        if self._bits is None:
            self._ones = self._ones + 1 if bit and driven else 0 if driven else self._ones
            if not bit:
                return
            if self._ones >= 32:
                self._bits = []
            return
        if not self._bits and bit:
            return  # still preamble
        self._bits.append(bit)
        bits = self._bits
        reads = len(bits) >= 4 and bits[2:4] == [1, 0]
        if len(bits) <= 14 or not reads:
            assert driven, "the station must drive this bit"
        if len(bits) == 14:
            assert bits[:2] == [0, 1], "start of frame"
            assert bits[2] != bits[3], "operation"
            self.address, self.register = self._number(bits[4:9]), self._number(bits[9:14])
            if reads and self._at(self.address):
                value = -1
                for address in self._at(self.address):
                    value &= self._read(address, self.register)
                # High impedance, then the zero of the turnaround, then the data.
                self._output = [None, 0, *(value >> k & 1 for k in range(15, -1, -1)), None]
        if len(bits) == 32:
            if not reads:
                assert bits[14:16] == [1, 0], "turnaround"
                value = self._number(bits[16:])
                self.accesses.append((self.address, self.register, value))
                for address in self._at(self.address):
                    self.registers[address][self.register] = value
            else:
                self.accesses.append((self.address, self.register, None))
            self._bits, self._ones = None, 0

    @staticmethod
    def _number(bits):
        return int("".join(map(str, bits)), 2)

    def process(self, pins):
        """A testbench for the Amaranth simulator."""

        async def run(ctx):
            async for _, _, *levels in ctx.tick().sample(pins.mdc, pins.mdio_o, pins.mdio_oe):
                ctx.set(pins.mdio_i, self.tick(*map(int, levels)))

        return run


@pytest.fixture
def make_phys():
    return MdioPhys
