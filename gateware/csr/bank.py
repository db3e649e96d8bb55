"""Gateware behind a memory map."""

from functools import reduce
from itertools import pairwise
from operator import or_

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib.wiring import Component, In, Signature

from .bus import ADDR_BITS, WORD_BITS, Bus
from .element import Access, Register, Table
from .memory_map import MemoryMap, Resource
from .readback import Readback

__all__ = ["Bank"]

_INPUTS = 4
"""Of a table in the FPGA: so many bits of an address are decoded at once."""


class Bank(Component):
    """Target of the register bus for every resource of a :class:`MemoryMap`.

    Beside ``bus`` the signature has one member per register and per table (``MemoryMap.signature``). ``ack``
    comes within 8 clocks of the strobe, plus the time of the table, or one for each word of a register that is
    written. After reset the first transfer waits for the :class:`Readback`.

    Elements wider than a word are transferred whole. A write of any word but the last is only kept; the last
    word commits all of them at once. The words of an element must be written one after the other from word 0,
    else the write that breaks the order, and those that follow it up to the next word 0, are errors without
    effect. Reading word 0 takes a snapshot of the whole element that its further words are read from;
    registers that only the host changes are read from a copy of what it wrote (:class:`Readback`). Tables
    ``by_word`` get and give each word at once, and do the keeping themselves.

    Words behind the end of an element, indices beyond a table's depth and addresses without element are
    errors, as is reading what is write only, and the reverse. A strobe without ``done`` from a table stalls
    the bus.
    """

    def __init__(self, memory_map: MemoryMap):
        self.memory_map = memory_map
        # The bus is a target here, all other members are driven or read by the rest of the core.
        super().__init__(Signature({"bus": In(Bus()), **memory_map.signature.members}))

    def member(self, resource: Resource) -> object:
        """The interface member that belongs to ``resource``."""
        member: object = self
        for part in resource.path:
            member = member[part] if isinstance(part, int) else getattr(member, part)
        return member

    def elaborate(self, platform):
        m = Module()
        bus = self.bus

        # Words arrive in order, so the last n words written are the n topmost of this shift register.
        staged_words = max((r.element.words for r in self.memory_map if _is_staged(r.element)), default=1)
        staged = Signal(staged_words * WORD_BITS)
        staged_next = Signal(ADDR_BITS)

        selects = _Selects(bus.addr)
        readings = _Readings()
        commit, snapshot = Signal(), Signal()
        copied, hits = [], []
        for resource in self.memory_map.registers:
            hit = self._register(m, resource, staged, commit, snapshot, selects, readings)
            if _is_copied(resource.element):
                copied.append(resource)
                hits.append(hit)
        tables = [self._table(m, r, staged, selects, readings) for r in self.memory_map.tables]

        # Facts about the addressed word, true from the fourth clock of a transfer on.
        first, last, in_order = Signal(), Signal(), Signal()
        readable, writable, is_table, by_word = Signal(), Signal(), Signal(), Signal()
        m.d.sync += [
            first.eq(selects.any(selects.first)),
            last.eq(selects.any(selects.last)),
            in_order.eq(bus.addr == staged_next),
            readable.eq(selects.any(selects.readable)),
            writable.eq(selects.any(selects.writable)),
            is_table.eq(_any(table.hit for table in tables)),
            by_word.eq(_any(table.hit for table in tables if table.by_word)),
        ]
        m.submodules.readback = readback = Readback(copied)
        m.d.comb += [
            readback.addr.eq(bus.addr),
            readback.hits.eq(Cat(hits)),
            readback.commit.eq(commit),
            readback.words.eq(staged[-len(readback.words) :]),
        ]
        done = _any(table.interface.done & table.hit for table in tables)
        word = Signal(WORD_BITS)
        m.d.sync += word.eq(readings.merge(m) | readback.data)

        strobe_w, strobe_r = Signal(), Signal()
        for table in tables:
            m.d.comb += table.interface.w_stb.eq(strobe_w & table.hit)
            m.d.comb += table.interface.r_stb.eq(strobe_r & table.hit)
        m.d.sync += [strobe_w.eq(0), strobe_r.eq(0), bus.ack.eq(0)]

        with m.FSM():
            with m.State("IDLE"):
                with m.If((bus.r_stb | bus.w_stb) & ~bus.ack & readback.ready):
                    m.next = "DECODE"
            with m.State("DECODE"):
                m.next = "FIND"
            with m.State("FIND"):
                m.next = "DECIDE"
            with m.State("DECIDE"):
                m.d.sync += bus.error.eq(0)
                m.next = "GATHER"
                with m.If(bus.w_stb):
                    m.next = "FINISH"
                    with m.If(writable & (first | in_order)):
                        m.d.sync += [
                            staged.eq(Cat(staged, bus.w_data)[WORD_BITS:]),
                            staged_next.eq(bus.addr + 1),
                        ]
                        with m.If(is_table & (last | by_word)):
                            m.d.sync += strobe_w.eq(1)
                            m.next = "TABLE"
                        with m.Elif(last):
                            m.next = "COMMIT"
                    with m.Else():
                        m.d.sync += bus.error.eq(1)
                with m.Elif(~readable):
                    m.d.sync += bus.error.eq(1)
                with m.Elif(first | by_word):
                    m.d.comb += snapshot.eq(1)
                    with m.If(is_table):
                        m.d.sync += strobe_r.eq(1)
                        m.next = "TABLE"
            with m.State("COMMIT"):
                m.d.comb += commit.eq(1)
                m.next = "COPY"
            with m.State("COPY"):
                with m.If(readback.ready):
                    m.next = "FINISH"
            with m.State("TABLE"):
                with m.If(done):
                    m.next = "GATHER"
            with m.State("GATHER"):
                m.next = "MERGE"
            with m.State("MERGE"):
                m.next = "FINISH"
            with m.State("FINISH"):
                m.d.sync += [bus.ack.eq(1), bus.r_data.eq(Mux(bus.error | bus.w_stb, 0, word))]
                m.next = "IDLE"
        return m

    def _register(self, m, resource, staged, commit, snapshot, selects, readings):
        """Returns whether a word of it is addressed."""
        register = resource.element
        hit, hits = selects.add(m, resource)
        if register.access is Access.READ_WRITE:
            with m.If(hit & commit):
                m.d.sync += Value.cast(self.member(resource)).eq(_top(staged, register))
        elif not register.is_constant:
            value = Value.cast(self.member(resource))
            if register.words > 1:
                current, value = value, Signal(register.width)
                with m.If(hit & snapshot):
                    m.d.sync += value.eq(current)
            readings.add(hits, value)
        return hit

    def _table(self, m, resource, staged, selects, readings):
        hit, hits = selects.add(m, resource)
        table, interface = resource.element, self.member(resource)
        number = selects.number(table)
        m.d.comb += interface.index.eq(self.bus.addr[len(number) :])
        if table.by_word:
            m.d.comb += [interface.word.eq(number), interface.w_data.eq(self.bus.w_data)]
            hits = [hit]
        else:
            m.d.comb += Value.cast(interface.w_data).eq(_top(staged, table))
        if table.access.readable:
            readings.add(hits, Value.cast(interface.r_data))
        return _TableParts(hit, interface, table.by_word)


class _TableParts:
    def __init__(self, hit, interface, by_word):
        self.hit = hit
        self.interface = interface
        self.by_word = by_word


class _Selects:
    """Decoding of ``addr``, two register stages: collects what is true of the addressed word."""

    def __init__(self, addr):
        self.addr = addr
        self.first, self.last, self.readable, self.writable = [], [], [], []
        self._parts: dict[tuple[int, int, int], Signal] = {}

    def _part_is(self, m, start, end, value):
        """Whether bits ``start`` to ``end`` - 1 of the address are ``value``; many resources ask for the same."""
        key = (start, end, value)
        if key not in self._parts:
            self._parts[key] = part = Signal(name=f"addr_{start}_is_{value}")
            m.d.sync += part.eq(self.addr[start:end] == value)
        return self._parts[key]

    def number(self, element):
        """Which of the words of ``element`` is addressed, if one is."""
        return self.addr[: (element.stride - 1).bit_length()]

    def add(self, m, resource):
        """Decode one resource. Returns (hit: an existing word of it is addressed; a list of the same, word by word)."""
        element = resource.element
        number = self.number(element)
        shift = len(number)
        size_bits = (element.size - 1).bit_length()
        bounds = [
            size_bits,
            *range(size_bits // _INPUTS * _INPUTS + _INPUTS, len(self.addr), _INPUTS),
            len(self.addr),
        ]
        parts = [
            self._part_is(m, start, end, (resource.start >> start) & ((1 << (end - start)) - 1))
            for start, end in pairwise(bounds)
        ]
        exists = Cat(parts).all()
        if element.words < element.stride:
            exists &= number < element.words
        if isinstance(element, Table) and element.depth & (element.depth - 1):
            exists &= self.addr[shift:size_bits] < element.depth
        name = "_".join(str(part) for part in resource.path)
        hit = Signal(name=f"hit_{name}")
        m.d.sync += hit.eq(exists)
        hits = [hit]
        if element.words > 1:
            hits = [Signal(name=f"hit_{name}_word{k}") for k in range(element.words)]
            m.d.sync += [word.eq(exists & self._part_is(m, 0, shift, k)) for k, word in enumerate(hits)]
        self.first.append(hits[0])
        self.last.append(hits[-1])
        if element.access.readable:
            self.readable.append(hit)
        if element.access.writable:
            self.writable.append(hit)
        return hit, hits

    @staticmethod
    def any(conditions):
        return _any(conditions)


class _Readings:
    """The words of tables and of registers that the core changes, each with what says that it is addressed. They meet
    in registers, two in one, as a four-input table takes: what they come from is all over the core. One word alone
    would be a register with a reset of its own, and tiles have only two of those."""

    def __init__(self):
        self._words = []

    def add(self, hits, value):
        """``value`` of several words, lowest first, with a hit for each."""
        self._words += [(hit, value[k * WORD_BITS : (k + 1) * WORD_BITS]) for k, hit in enumerate(hits)]

    def merge(self, m):
        """The addressed word, a clock behind its hit; 0 without."""
        result = Value.cast(0)
        for start in range(0, len(self._words), 2):
            word = Signal(WORD_BITS)
            m.d.sync += word.eq(
                reduce(or_, (Mux(hit, value, 0) for hit, value in self._words[start : start + 2]))
            )
            result |= word
        return result


def _is_copied(register: Register) -> bool:
    return register.is_constant or register.access is Access.READ_WRITE


def _is_staged(element: Register | Table) -> bool:
    return element.access.writable and not (isinstance(element, Table) and element.by_word)


def _any(conditions):
    return Cat(*conditions).any()


def _top(staged, element: Register | Table):
    """The element's value: its words are the last ones staged."""
    base = len(staged) - element.words * WORD_BITS
    return staged[base : base + element.width]
