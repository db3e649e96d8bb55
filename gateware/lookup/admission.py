"""Which frame's keys go to the tables next."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..arbiter import RoundRobin, one_hot_mux
from ..headers import GROUP_BIT, Keys
from ..params import Params
from .tables import TenantKey, masked_key, network_mac

__all__ = ["Admission", "Admitted", "LookupKey"]


class LookupKey(data.Struct):
    """One MAC address of a frame, with the tenant key (behind one level of logic): what it makes under its port's
    mask, or the virtual network that the tunnel names."""

    mac: 48
    tenant: TenantKey
    group: 1
    """A group address as destination: its tenant is the source's."""
    may_name: 1
    """Unless the tenant key is found: it may be a tenant's group address, as the frame comes from the fabric."""


class Admitted(data.StructLayout):
    """What goes along with a frame's source key."""

    def __init__(self, params: Params):
        super().__init__({"port": range(max(2, params.ports)), "vid": 12, "outer_src": 128})


class Admission(wiring.Component):
    """Turns the keys of all ports into one row of keys: a frame's source, in the next clock its destination.

    One frame per two clocks, in round-robin order; after ``STREAK`` clocks in a row none for two or so, since what
    changes the tables, and reads them, does so in clocks without keys. The source key is at the output 2 clocks after
    the port's keys were first offered to an idle block. A port learns that its keys were taken from a register, so
    that no port's handshake depends on another's.

    Members
    -------
    keys
        Streams of :class:`Keys`; ``ready`` comes only while they are ``valid``.
    room
        The port may have one more frame under way; counts from two clocks after ``admitted`` on.
    admitted
        Strobe per port: one more frame is under way.
    key_mask
        What of source MAC and VLAN ID makes the tenant key, per port.
    key
        ``valid``, and ``payload`` of each key.
    frame
        ``valid`` with the source's key, and the ``payload`` that goes along.
    """

    STREAK = 128

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "keys": In(stream.Signature(Keys)).array(params.ports),
                "room": In(params.ports),
                "admitted": Out(params.ports),
                "key_mask": In(TenantKey).array(params.ports),
                "key": Out(stream.Signature(LookupKey, always_ready=True)),
                "frame": Out(stream.Signature(Admitted(params), always_ready=True)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self.params
        m.submodules.choice = choice = RoundRobin(params.ports)
        grant = Signal(params.ports)
        granted = Signal()  # to some port; a register of its own, as much hangs on it
        port = Signal(range(max(2, params.ports)))
        streak = Signal(range(self.STREAK))
        pauses = Signal()
        with m.If(~self.key.valid):
            m.d.sync += [streak.eq(0), pauses.eq(0)]
        with m.Else():
            m.d.sync += [streak.eq(streak + 1), pauses.eq(pauses | streak.all())]
        accept = ~(grant.any() | pauses)
        m.d.comb += [
            choice.requests.eq(Cat(keys.valid for keys in self.keys) & self.room),
            choice.accept.eq(accept),
            self.admitted.eq(grant),
        ]
        # A gate, not a reset: the way to a flip-flop's reset is long.
        next_grant = choice.grant & accept.replicate(params.ports)
        m.d.sync += [grant.eq(next_grant), granted.eq(next_grant.any()), port.eq(choice.index)]
        masks, networks, may_names = [], [], []  # of each port's frame
        for index, keys in enumerate(self.keys):
            m.d.comb += keys.ready.eq(grant[index])
            named = keys.payload.is_network
            masks.append(Mux(named, 0, Value.cast(self.key_mask[index])))
            networks.append(Mux(named, network_mac(keys.payload.network), 0))
            may_names.append(~named if params.is_fabric(index) else Const(0, 1))

        def chosen(values) -> Value:
            return one_hot_mux(grant, values)

        # The frame granted: its source is the next key; its destination waits for one clock. Only then is it not 0,
        # as no clock with a grant follows another.
        key, frame = self.key.payload, self.frame.payload
        destination = Signal(48)
        mask = Signal(TenantKey)
        may_name = Signal()
        network = Signal(48)
        m.d.sync += [
            self.frame.valid.eq(granted),
            self.key.valid.eq(granted | self.frame.valid),
            destination.eq(chosen(keys.payload.dst for keys in self.keys)),
            key.mac.eq(chosen(keys.payload.src for keys in self.keys) | destination),
            key.group.eq(destination[GROUP_BIT]),
            key.may_name.eq(destination[GROUP_BIT] & may_name),
        ]
        with m.If(granted):
            m.d.sync += [
                frame.port.eq(port),
                frame.vid.eq(chosen(keys.payload.vid for keys in self.keys)),
                frame.outer_src.eq(chosen(keys.payload.outer_src for keys in self.keys)),
                Value.cast(mask).eq(chosen(masks)),
                network.eq(chosen(networks)),
                may_name.eq(chosen(may_names)),
            ]
        masked_mac, masked_vid = masked_key(mask, mac=key.mac, vid=frame.vid)
        m.d.comb += [key.tenant.mac.eq(masked_mac | network), key.tenant.vid.eq(masked_vid)]
        return m
