"""Gateware behind a memory map."""

from itertools import pairwise

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib.wiring import Component, In, Signature

from .bus import ADDR_BITS, WORD_BITS, Bus
from .element import Access, Register, Table
from .memory_map import MemoryMap, Resource

__all__ = ["Bank"]

_PART = 4
"""Bits of an address that are decoded at once: a four-input table."""


class Bank(Component):
    """Target of the register bus for every resource of a :class:`MemoryMap`.

    Beside ``bus`` the signature has one member per register and per table (``MemoryMap.signature``). ``ack``
    comes within 8 clocks of the strobe, plus the time of the table.

    Elements wider than a word are transferred whole. A write of any word but the last is only kept; the last
    word commits all of them at once. The words of an element must be written one after the other from word 0,
    else the write that breaks the order, and those that follow it up to the next word 0, are errors without
    effect. Reading word 0 takes a snapshot of the whole element that its further words are read from;
    registers that only the host changes need none. Tables ``by_word`` get and give each word at once, and do the
    keeping themselves.

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
        staged_words = max(r.element.words for r in self.memory_map if _is_staged(r.element))
        staged = Signal(staged_words * WORD_BITS)
        staged_next = Signal(ADDR_BITS)

        selects = _Selects(bus.addr)
        commit, snapshot = Signal(), Signal()
        registers = [
            self._register(m, r, staged, commit, snapshot, selects) for r in self.memory_map.registers
        ]
        tables = [self._table(m, r, staged, selects) for r in self.memory_map.tables]

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
        done = _any(table.interface.done & table.hit for table in tables)
        word = Signal(WORD_BITS)
        m.d.sync += word.eq(_or(registers + [table.word for table in tables]))

        strobe_w, strobe_r = Signal(), Signal()
        for table in tables:
            m.d.comb += table.interface.w_stb.eq(strobe_w & table.hit)
            m.d.comb += table.interface.r_stb.eq(strobe_r & table.hit)
        m.d.sync += [strobe_w.eq(0), strobe_r.eq(0), bus.ack.eq(0)]

        with m.FSM():
            with m.State("IDLE"):
                with m.If((bus.r_stb | bus.w_stb) & ~bus.ack):
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

    def _register(self, m, resource, staged, commit, snapshot, selects):
        """Build one register; returns its word on the read bus."""
        register = resource.element
        hit, number = selects.add(m, resource)
        if register.is_constant:
            value = Const(register.reset, register.width)
        elif register.access is Access.READ:
            value = Value.cast(self.member(resource))
            if register.words > 1:
                current, value = value, Signal(register.width)
                with m.If(hit & snapshot):
                    m.d.sync += value.eq(current)
        else:
            value = Value.cast(self.member(resource))
            with m.If(hit & commit):
                m.d.sync += value.eq(_top(staged, register))
        return _word_select(m, hit, number, value, register.words)

    def _table(self, m, resource, staged, selects):
        hit, number = selects.add(m, resource)
        table, interface = resource.element, self.member(resource)
        index = self.bus.addr[(table.stride - 1).bit_length() :]
        m.d.comb += interface.index.eq(index)
        if table.by_word:
            m.d.comb += [interface.word.eq(number), interface.w_data.eq(self.bus.w_data)]
            words, number = 1, Const(0)
        else:
            m.d.comb += Value.cast(interface.w_data).eq(_top(staged, table))
            words = table.words
        word = Value.cast(0)
        if table.access.readable:
            word = _word_select(m, hit, number, Value.cast(interface.r_data), words)
        return _TableParts(hit, interface, word, table.by_word)


class _TableParts:
    def __init__(self, hit, interface, word, by_word):
        self.hit = hit
        self.interface = interface
        self.word = word
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

    def add(self, m, resource):
        """Decode one resource. Returns (hit: an existing word of it is addressed, number of the word)."""
        element = resource.element
        shift = (element.stride - 1).bit_length()
        size_bits = (element.size - 1).bit_length()
        number = self.addr[:shift]
        bounds = [
            size_bits,
            *range(size_bits // _PART * _PART + _PART, len(self.addr), _PART),
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
        hit = Signal(name=f"hit_{'_'.join(str(part) for part in resource.path)}")
        m.d.sync += hit.eq(exists)
        self.first.append(hit & (number == 0))
        self.last.append(hit & (number == element.words - 1))
        if element.access.readable:
            self.readable.append(hit)
        if element.access.writable:
            self.writable.append(hit)
        return hit, number

    @staticmethod
    def any(conditions):
        return _any(conditions)


def _is_staged(element: Register | Table) -> bool:
    return element.access.writable and not (isinstance(element, Table) and element.by_word)


def _any(conditions):
    return Cat(*conditions).any()


def _or(words):
    result = Value.cast(0)
    for word in words:
        result = result | word
    return result


def _top(staged, element: Register | Table):
    """The element's value: its words are the last ones staged."""
    base = len(staged) - element.words * WORD_BITS
    return staged[base : base + element.width]


def _word_select(m, hit, number, value, words):
    """Register the addressed word of ``value``, 0 when another element is addressed."""
    word = Signal(WORD_BITS)
    m.d.sync += word.eq(0)
    for k in range(words):
        with m.If(hit & (number == k)):
            m.d.sync += word.eq(value[k * WORD_BITS : (k + 1) * WORD_BITS])
    return word
