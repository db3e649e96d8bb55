"""How the rest of the core gets at packet memory."""

from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out, Signature

from ..params import Params

__all__ = ["NULL_CELL", "READ_LATENCY", "Commit", "Patch", "PatchedWord", "ReadPort", "ReadRequest"]

NULL_CELL = 0
"""Index that no frame ever gets: the head of a frame without cells, and the link of a frame's last cell."""

READ_LATENCY = 3
"""Clocks from the one in which a read request is accepted to the one with its response."""


class ReadRequest(data.StructLayout):
    """One word of one cell."""

    def __init__(self, params: Params):
        super().__init__({"cell": params.cell_bits, "word": range(params.cell_words)})


class Commit(data.StructLayout):
    """How many times a stored frame will be released; 0 discards it."""

    def __init__(self, params: Params):
        super().__init__({"head": params.cell_bits, "references": range(params.readers + 1)})


class PatchedWord(data.StructLayout):
    """What is to be in the place of word ``number`` of a cell."""

    def __init__(self, params: Params):
        super().__init__({"number": range(params.cell_words), "data": params.width})


class Patch(data.StructLayout):
    """Another word for a stored frame that nobody else reads yet: it is still to be committed."""

    def __init__(self, params: Params):
        super().__init__({"cell": params.cell_bits, "word": PatchedWord(params)})


class ReadPort(Signature):
    """Reads of one initiator.

    Exactly ``READ_LATENCY`` clocks after a request was accepted, ``valid`` is 1 for one clock with the word
    in ``data`` and the link of the requested cell in ``next_cell`` (``NULL_CELL`` behind a frame's last one).
    Responses come in order and cannot wait: the initiator asks only for what it can take. A frame may be
    released only after the response to its last read.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "request": Out(stream.Signature(ReadRequest(params))),
                "valid": In(1),
                "data": In(params.width),
                "next_cell": In(params.cell_bits),
            }
        )
