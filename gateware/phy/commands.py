"""The host's access to registers of PHYs, through registers of the TEP."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .startup import PhyClient

__all__ = ["MdioCommand", "MdioResult", "PhyCommands"]


class MdioCommand(data.Struct):
    """Read, or write ``data`` to, ``register`` of the PHY of ``port``.

    Done once when ``number`` becomes another one.
    """

    data: 16
    register: 5
    port: 4
    write: 1
    number: 6


class MdioResult(data.Struct):
    """What came of the last command that was done; ``answered`` is 0 if no PHY did."""

    data: 16
    answered: 1
    number: 6


class PhyCommands(wiring.Component):
    """One request per ``number`` of the command. The host waits for a result before its next command."""

    def __init__(self):
        super().__init__({"command": In(MdioCommand), "result": Out(MdioResult), "phys": Out(PhyClient())})

    def elaborate(self, platform) -> Module:
        m = Module()
        command, result = self.command, self.result
        request, response = self.phys.request, self.phys.response
        number = Signal.like(command.number)
        """Of the request under way."""
        for name in ("data", "register", "port", "write"):
            m.d.comb += getattr(request.payload, name).eq(getattr(command, name))
        with m.FSM():
            with m.State("IDLE"):
                with m.If(command.number != result.number):
                    m.d.sync += number.eq(command.number)
                    m.next = "REQUEST"
            with m.State("REQUEST"):
                m.d.comb += request.valid.eq(1)
                with m.If(request.ready):
                    m.next = "RESPONSE"
            with m.State("RESPONSE"):
                m.d.comb += response.ready.eq(1)
                with m.If(response.valid):
                    m.d.sync += [
                        result.data.eq(response.payload.data),
                        result.answered.eq(response.payload.answered),
                        result.number.eq(number),
                    ]
                    m.next = "IDLE"
        return m
