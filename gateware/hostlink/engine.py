"""Does requests: once each, in order."""

from amaranth.hdl import Array, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from ..csr.bus import Bus
from .format import (
    BURST_WORDS,
    PROTOCOL_VERSION,
    REPEAT,
    WINDOW,
    Burst,
    Greeting,
    Kind,
    ReplyHeader,
    RequestHeader,
    Status,
)

__all__ = ["LastWord", "RequestEngine"]


class LastWord(data.Struct):
    """A word of a reply."""

    data: 32
    last: 1
    """Ends the frame."""


class RequestEngine(Component):
    """Takes intact requests (length, then words), answers each with one reply, and masters the register bus.

    A request of the open session with the expected sequence number is done; one of the ``WINDOW`` before it
    has been done already and is answered again: a write without doing it, from the remembered outcome; a read
    by reading again. Anything else is only answered. ``busy`` from the first word of a request to the last of
    its reply.
    """

    requests: In(stream.Signature(32))
    replies: Out(stream.Signature(LastWord))
    bus: Out(Bus())
    busy: Out(1)

    def elaborate(self, platform):
        m = Module()
        bus, request, reply = self.bus, self.requests, self.replies

        left = Signal(7)
        """Words of the request not yet taken."""
        header = Signal(RequestHeader)
        session = Signal(32)
        burst = Signal(Burst)

        open_session = Signal(32)
        is_open = Signal()
        expected = Signal(8)
        outcomes = Signal(WINDOW)
        """Whether the request with this sequence number, modulo WINDOW, met a bus error."""
        status = Signal(Status)

        # Judged in the clock between the last header word and the decision.
        hello, read, write, sound = Signal(), Signal(), Signal(), Signal()
        same_session, in_turn, done_before = Signal(), Signal(), Signal()
        age = Signal(8)
        m.d.comb += age.eq(expected - header.sequence)
        m.d.sync += [
            hello.eq(self._is_hello(header, burst, left)),
            read.eq((header.kind == Kind.READ) & ~header.is_reply & (left == 0)),
            write.eq((header.kind == Kind.WRITE) & ~header.is_reply & (left == header.count)),
            sound.eq((header.count != 0) & (header.count <= BURST_WORDS)),
            same_session.eq(is_open & (session == open_session)),
            in_turn.eq(age == 0),
            done_before.eq((age != 0) & (age <= WINDOW)),
        ]

        word = Signal(32)
        count = Signal(7)
        """Words not yet transferred."""
        run_left = Signal(5)
        run_start = Signal(len(bus.addr))
        next_start = Signal(len(bus.addr))
        step = Signal(len(bus.addr))
        m.d.sync += [
            step.eq(Mux(burst.step == REPEAT, 0, Const(1) << burst.step)),
            next_start.eq(run_start + step),
        ]
        executing = Signal()
        slot = header.sequence[: (WINDOW - 1).bit_length()]
        remembered = Signal()
        m.d.sync += remembered.eq(Array(outcomes)[slot])

        def advance():
            """Move on to the next word of the burst."""
            m.d.sync += [count.eq(count - 1), run_left.eq(run_left - 1), bus.addr.eq(bus.addr + 1)]
            with m.If(run_left == 0):
                m.d.sync += [run_left.eq(burst.run), run_start.eq(next_start), bus.addr.eq(next_start)]

        def take(target, then):
            m.d.comb += request.ready.eq(1)
            with m.If(request.valid):
                m.d.sync += [Value.cast(target).eq(request.payload), left.eq(left - 1)]
                m.next = then

        with m.FSM() as fsm:
            with m.State("LENGTH"):
                m.d.comb += request.ready.eq(1)
                with m.If(request.valid):
                    m.d.sync += left.eq(request.payload)
                    m.next = "HEADER"
            with m.State("HEADER"):
                take(header, "SESSION")
            with m.State("SESSION"):
                take(session, "BURST")
            with m.State("BURST"):
                take(burst, "JUDGE")
            with m.State("JUDGE"):
                m.d.sync += [
                    bus.addr.eq(burst.address),
                    run_start.eq(burst.address),
                    run_left.eq(burst.run),
                    count.eq(header.count),
                    executing.eq(0),
                ]
                m.next = "DECIDE"
            with m.State("DECIDE"):
                m.d.sync += status.eq(Status.OK)
                with m.If(hello):
                    with m.If(~same_session):
                        m.d.sync += [
                            is_open.eq(1),
                            open_session.eq(session),
                            expected.eq(header.sequence + 1),
                        ]
                with m.Elif(~(read | write) | ~sound):
                    m.d.sync += status.eq(Status.BAD_REQUEST)
                with m.Elif(~same_session):
                    m.d.sync += status.eq(Status.NO_SESSION)
                with m.Elif(in_turn):
                    m.d.sync += [executing.eq(1), expected.eq(expected + 1)]
                with m.Elif(done_before):
                    with m.If(read):
                        m.d.sync += executing.eq(1)
                    with m.Elif(remembered):
                        m.d.sync += status.eq(Status.BUS_ERROR)
                with m.Else():
                    m.d.sync += status.eq(Status.GAP)
                m.next = "REPLY"
            with m.State("REPLY"):
                head = data.View(ReplyHeader, reply.payload.data)
                m.d.comb += [
                    reply.valid.eq(1),
                    head.kind.eq(header.kind),
                    head.is_reply.eq(1),
                    head.sequence.eq(header.sequence),
                    head.expected.eq(expected),
                ]
                with m.If(reply.ready):
                    with m.If(hello):
                        m.next = "GREET"
                    with m.Elif(~executing):
                        m.next = "DISCARD"
                    with m.Elif(read):
                        m.d.sync += bus.r_stb.eq(1)
                        m.next = "READ"
                    with m.Else():
                        m.next = "FETCH"
            with m.State("GREET"):
                greeting = Greeting.const(
                    {"version": PROTOCOL_VERSION, "burst_words": BURST_WORDS, "window": WINDOW}
                )
                m.d.comb += [reply.valid.eq(1), reply.payload.data.eq(greeting)]
                with m.If(reply.ready):
                    m.next = "ECHO"
            with m.State("ECHO"):
                m.d.comb += [reply.valid.eq(1), reply.payload.data.eq(session)]
                with m.If(reply.ready):
                    m.next = "STATUS"
            with m.State("READ"):
                with m.If(bus.ack):
                    m.d.sync += [bus.r_stb.eq(0), word.eq(bus.r_data)]
                    with m.If(bus.error):
                        m.d.sync += status.eq(Status.BUS_ERROR)
                    advance()
                    m.next = "PASS"
            with m.State("PASS"):
                m.d.comb += [reply.valid.eq(1), reply.payload.data.eq(word)]
                with m.If(reply.ready):
                    with m.If(count == 0):
                        m.next = "STATUS"
                    with m.Else():
                        m.d.sync += bus.r_stb.eq(1)
                        m.next = "READ"
            with m.State("FETCH"):
                take(bus.w_data, "WRITE")
                with m.If(request.valid):
                    m.d.sync += bus.w_stb.eq(1)
            with m.State("WRITE"):
                with m.If(bus.ack):
                    m.d.sync += bus.w_stb.eq(0)
                    with m.If(bus.error):
                        m.d.sync += status.eq(Status.BUS_ERROR)
                    advance()
                    m.next = "FETCH"
                    with m.If(count == 1):
                        m.next = "STATUS"
            with m.State("DISCARD"):
                with m.If(left == 0):
                    m.next = "STATUS"
                with m.Else():
                    m.d.comb += request.ready.eq(1)
                    with m.If(request.valid):
                        m.d.sync += left.eq(left - 1)
            with m.State("STATUS"):
                m.d.comb += [reply.valid.eq(1), reply.payload.data.eq(status), reply.payload.last.eq(1)]
                with m.If(executing):
                    m.d.sync += Array(outcomes)[slot].eq(status == Status.BUS_ERROR)
                with m.If(reply.ready):
                    m.next = "LENGTH"
        m.d.comb += self.busy.eq(~fsm.ongoing("LENGTH"))
        return m

    @staticmethod
    def _is_hello(header, burst, left):
        version = Value.cast(burst)
        asked = (header.kind == Kind.HELLO) & ~header.is_reply & (header.count == 0) & (left == 0)
        return asked & (version == PROTOCOL_VERSION)
