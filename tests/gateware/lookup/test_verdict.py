"""The forwarding rules against the same rules written down in order, first match wins (docs/behaviour.md)."""

import random
from collections import Counter, deque
from dataclasses import dataclass

import pytest
from amaranth.hdl import Assert, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator
from opentep.gateware.headers import (
    ACCESS_DROPS,
    FABRIC_DROPS,
    Congestion,
    Control,
    Drop,
    Edit,
    GroupAddress,
    Header,
    Stored,
    is_discovery,
)
from opentep.gateware.hostport.format import Reason
from opentep.gateware.hostport.interest import Interest, wish
from opentep.gateware.lookup.decision import DecisionStage
from opentep.gateware.lookup.findings import Findings
from opentep.gateware.lookup.verdict import Verdict, VerdictRules, decision_facts, header_facts
from opentep.gateware.lookup.ways import BUCKETS, TepWays
from opentep.gateware.params import Params
from opentep.gateware.tables.mac_entry import AGE_FRESH, MacKind, MacLearn

COUNT = 2000
LATENCY = 2
MTUS = (1500, 1000)
VIDS = (10, 11)
TENANTS = (3, 4)
TEPS = (7, 8)
LISTS = (20, 21)
PARSER_DROPS_ACCESS = (Drop.RX_ERROR, Drop.UNTAGGED, Drop.LINK_LOCAL, Drop.BAD_SOURCE)
PARSER_DROPS_FABRIC = (
    Drop.RX_ERROR,
    Drop.NOT_MINE,
    Drop.MALFORMED,
    Drop.BAD_SOURCE,
    Drop.LINK_LOCAL,
    Drop.ECN,
)
DECAP = {
    Congestion.SAME: Edit.DECAP,
    Congestion.IPV4: Edit.DECAP_IPV4,
    Congestion.IPV6: Edit.DECAP_IPV6,
}


class Judge(wiring.Component):
    """The decision on a frame and what its end adds to it, at once."""

    def __init__(self, params):
        self.params = params
        super().__init__(
            {
                "valid": In(1),
                "findings": In(Findings(params)),
                "header": In(Header(params)),
                "stored": In(Stored(params)),
                "ways": In(TepWays(params)),
                "mtu": In(14).array(params.fabric_ports),
                "interest": In(Interest(params)),
                "done": Out(1),
                "verdict": Out(Verdict(params)),
                "learn": Out(1),
                "source": Out(MacLearn(params)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.stage = stage = DecisionStage(self.params)
        m.submodules.rules = rules = VerdictRules(self.params)
        announced = stage.coming.valid
        reason = Mux(is_discovery(self.header.control), Reason.DISCOVERY, self.header.drop)
        was_announced, port = Signal(), Signal.like(stage.coming.port)
        m.d.sync += [was_announced.eq(announced), port.eq(stage.coming.port)]
        m.d.comb += [
            stage.input.valid.eq(self.valid),
            stage.input.findings.eq(self.findings),
            Assert(stage.output.valid == was_announced),
            Assert(~was_announced | (stage.output.port == port)),
            rules.input.port.eq(stage.output.port),
            rules.input.decision.eq(stage.output.decision),
            rules.input.header.eq(self.header),
            rules.input.stored.eq(self.stored),
            rules.interest.eq(self.interest),
            Value.cast(rules.input.decision_facts).eq(decision_facts(stage.output.decision)),
            Value.cast(rules.input.header_facts).eq(header_facts(self.header)),
            Value.cast(rules.input.decision_wish).eq(wish(self.interest, stage.output.decision.drop)),
            Value.cast(rules.input.header_wish).eq(wish(self.interest, reason)),
            rules.fits.eq(Cat(self.header.packet <= mtu for mtu in self.mtu)),
            self.done.eq(stage.output.valid),
            self.verdict.eq(rules.verdict),
            self.learn.eq(rules.learn),
            self.source.eq(rules.source),
        ]
        if self.params.has_ways:
            m.d.comb += rules.input.ways.eq(self.ways)
        return m


def random_resolution(rng, params, group):
    """What the tables may say of an address: values from few, so that places often coincide."""
    kind = MacKind.GROUP if group else rng.choice([MacKind.LOCAL, MacKind.REMOTE])
    static = rng.randrange(2)
    return {
        "mac": rng.getrandbits(40) | (0x010000000000 if group else 0x020000000000),
        "tenant_hit": rng.random() < 0.9,
        "tenant": TENANTS[rng.random() < 0.1],
        "hit": rng.random() < 0.8,
        "entry": {
            "static": static,
            "age": AGE_FRESH if rng.random() < 0.7 else rng.randrange(AGE_FRESH),
            "kind": kind,
            "port": {
                MacKind.LOCAL: rng.randrange(params.access_ports),
                MacKind.REMOTE: rng.randrange(params.access_ports, params.ports),
                MacKind.GROUP: 0,
            }[kind],
            "id": rng.choice({MacKind.LOCAL: VIDS, MacKind.REMOTE: TEPS, MacKind.GROUP: LISTS}[kind]),
        },
    }


def random_frame(rng, params):
    port = rng.randrange(params.ports)
    fabric = params.is_fabric(port)
    drop, control = Drop.NONE, Control.NONE
    if rng.random() < 0.1:
        drop = rng.choice(PARSER_DROPS_FABRIC if fabric else PARSER_DROPS_ACCESS)
        if drop == Drop.NOT_MINE:
            control = rng.choice([Control.NONE, Control.DISCOVERY])
    elif fabric and rng.random() < 0.1:
        control = rng.choice([Control.SOLICITATION, Control.ECHO])
    source = random_resolution(rng, params, False)
    destination = random_resolution(rng, params, rng.random() < 0.25)
    rewritten = False
    if destination["entry"]["kind"] == MacKind.GROUP:
        rewritten = fabric and destination["tenant_hit"] and rng.random() < 0.5
        if not rewritten:  # the tenant of a group address is the source's
            destination |= {name: source[name] for name in ("tenant_hit", "tenant")}
    start = 54 if fabric else 0
    tagged = rng.randrange(2)
    # Close to the MTU of either port, and far from both.
    longest = rng.choice(MTUS) - 40 + (0 if fabric else 4 * tagged)
    end = start + rng.choice([60, longest - 1, longest, longest + 1, 9216 - start])
    vid = 0 if fabric else rng.choice(VIDS)
    header = {
        "drop": drop,
        "control": control,
        "tagged": tagged,
        "vid": vid,
        "pcp_dei": rng.randrange(16),
        "start": start,
        "end": end,
        "length": rng.randrange(1, 9217),
        "packet": end - start - 4 * tagged + 40,
        "congestion": rng.choice(list(Congestion)) if fabric else Congestion.SAME,
        "traffic_class": rng.randrange(256),
        "flow": rng.randrange(1 << 20),
        "group": rng.choice(list(GroupAddress)),
        "group_octet": rng.randrange(256),
        "asks": rng.randrange(2) and not fabric,
    }
    stored = {"head": rng.randrange(params.cells), "no_buffer": rng.random() < 0.05}
    findings = {
        "port": port,
        "vid": vid,
        "source": source,
        "destination": destination,
        "flags": {
            "valid": 1,
            "learn_source": rng.randrange(2),
            "learn_remote": rng.randrange(2),
            "flood_unknown": rng.randrange(2),
            "flood_list": 30,
            "unknown_list": 40,
            "rewrites": rng.randrange(2),
            "suppresses": rng.randrange(2),
        },
        "rewritten": rewritten,
        "own_list": 33,
        "network": rng.getrandbits(24),
        "rule": rng.randrange(2),
        "tep_hit": fabric and rng.random() < 0.9,
        "tep": rng.choice(TEPS),
    }
    return {
        "context": header | {"port": port, "stored": stored},
        "header": header,
        "stored": stored,
        "ways": [rng.randrange(params.fabric_ports) for _ in range(BUCKETS)],
    } | findings


@dataclass(frozen=True)
class Expected:
    drop: Drop
    ports: int = 0
    edit: Edit | None = None
    is_list: bool = False
    target: int | None = None
    exclude: bool = False
    rewrites: bool = False
    in_order: bool = False
    """The source passed every check up to its guard, and may be learned."""


def is_group(resolution):
    return bool(resolution["mac"] >> 40 & 1)


def place(entry):
    return (entry["kind"], entry["port"], entry["id"])


def list_of(findings):
    destination = findings["destination"]
    everyone = findings["own_list"] if findings["rewritten"] else findings["flags"]["flood_list"]
    return destination["entry"]["id"] if destination["hit"] else everyone


def from_access(params, findings):
    context, source, destination = (findings[name] for name in ("context", "source", "destination"))
    flags = findings["flags"]
    here = (MacKind.LOCAL, context["port"], context["vid"])
    everywhere = (1 << params.ports) - 1
    if context["drop"] != Drop.NONE:
        return Expected(context["drop"])
    if not source["tenant_hit"]:
        return Expected(Drop.UNKNOWN_TENANT)
    if source["hit"] and source["entry"]["static"] and place(source["entry"]) != here:
        return Expected(Drop.SPOOFED)
    if not (source["hit"] and place(source["entry"]) == here) and not flags["learn_source"]:
        return Expected(Drop.SPOOFED)
    if is_group(destination):
        rewrites = bool(flags["rewrites"])
        return Expected(
            Drop.NONE, everywhere, Edit.RETAG, True, list_of(findings), True, rewrites, in_order=True
        )
    same = destination["tenant"] == source["tenant"]
    if not destination["tenant_hit"] or not (same or findings["rule"]):
        return Expected(Drop.POLICY, in_order=True)
    if not destination["hit"]:
        if not (flags["flood_unknown"] and same):
            return Expected(Drop.UNKNOWN_UNICAST, in_order=True)
        return Expected(Drop.NONE, everywhere, Edit.RETAG, True, flags["unknown_list"], True, in_order=True)
    entry = destination["entry"]
    if entry["kind"] == MacKind.REMOTE:
        inner = context["end"] - context["start"] - (4 if context["tagged"] else 0)
        port = entry["port"]
        if params.has_ways:
            port = params.access_ports + findings["ways"][context["flow"] % BUCKETS]
        if inner + 40 > MTUS[port - params.access_ports]:
            return Expected(Drop.TOO_BIG, in_order=True)
        return Expected(Drop.NONE, 1 << port, Edit.ENCAP, target=entry["id"], in_order=True)
    if place(entry) == here:
        return Expected(Drop.REFLECTED, in_order=True)
    return Expected(Drop.NONE, 1 << entry["port"], Edit.RETAG, target=entry["id"], in_order=True)


def from_fabric(params, findings):
    context, source, destination = (findings[name] for name in ("context", "source", "destination"))
    flags = findings["flags"]
    servers = (1 << params.access_ports) - 1
    if context["drop"] in (Drop.RX_ERROR, Drop.NOT_MINE):
        return Expected(context["drop"])
    if context["control"] != Control.NONE:
        edit = Edit.ECHO_REPLY if context["control"] == Control.ECHO else Edit.ADVERT
        return Expected(Drop.NONE, 1 << context["port"], edit)
    if not findings["tep_hit"]:
        return Expected(Drop.UNKNOWN_TEP)
    if context["drop"] != Drop.NONE:
        return Expected(context["drop"])
    decap = DECAP[context["congestion"]]
    if not destination["tenant_hit"]:
        return Expected(Drop.UNKNOWN_TENANT)
    same = source["tenant"] == destination["tenant"]
    if not source["tenant_hit"] or not (same or findings["rule"]):
        return Expected(Drop.POLICY)
    here = source["hit"] and source["entry"]["kind"] == MacKind.LOCAL
    if here and (source["entry"]["static"] or not flags["learn_remote"]):
        return Expected(Drop.SPOOFED)
    if findings["rewritten"] and context["group"] == GroupAddress.NONE:
        return Expected(Drop.MALFORMED)
    if is_group(destination):
        rewritten = bool(findings["rewritten"])
        return Expected(Drop.NONE, servers, decap, True, list_of(findings), rewrites=rewritten, in_order=True)
    if not destination["hit"]:
        if not (flags["flood_unknown"] and same):
            return Expected(Drop.UNKNOWN_UNICAST, in_order=True)
        return Expected(Drop.NONE, servers, decap, True, flags["unknown_list"], in_order=True)
    entry = destination["entry"]
    if entry["kind"] == MacKind.REMOTE:
        return Expected(Drop.SPLIT_HORIZON, in_order=True)
    return Expected(Drop.NONE, 1 << entry["port"], decap, target=entry["id"], in_order=True)


def judge(params, findings):
    context = findings["context"]
    if context["stored"]["no_buffer"] and context["drop"] != Drop.RX_ERROR:
        return Expected(Drop.NO_BUFFER)
    return (from_fabric if params.is_fabric(context["port"]) else from_access)(params, findings)


def learned_place(params, findings, expected):
    """(kind, port, id) that the source is learned at, ``None`` if there is nothing to write."""
    context, source, flags = findings["context"], findings["source"], findings["flags"]
    fabric = params.is_fabric(context["port"])
    if not expected.in_order or not flags["learn_remote" if fabric else "learn_source"]:
        return None
    if fabric:
        here = (MacKind.REMOTE, params.access_ports, findings["tep"])
    else:
        here = (MacKind.LOCAL, context["port"], context["vid"])
    entry = source["entry"]
    if source["hit"] and entry["static"]:
        return None
    # For remote entries the TEP is the place; the port that its frames happen to come in on is not.
    same = entry["kind"] == here[0] and entry["id"] == here[2] and (fabric or entry["port"] == here[1])
    if source["hit"] and same and entry["age"] == AGE_FRESH:
        return None
    return here


def check(params, findings, verdict, learn, source):
    expected, context = judge(params, findings), findings["context"]
    descriptor = verdict.descriptor
    assert (verdict.drop, verdict.ports) == (expected.drop, expected.ports)
    assert (verdict.port, descriptor.head) == (context["port"], context["stored"]["head"])
    assert (verdict.length, verdict.stored) == (context["length"], not context["stored"]["no_buffer"])
    assert verdict.discovery == (context["control"] in (Control.SOLICITATION, Control.DISCOVERY))
    if expected.drop == Drop.NONE:
        assert (descriptor.edit, descriptor.is_list) == (expected.edit, expected.is_list)
        assert verdict.exclude == expected.exclude
        assert descriptor.network == findings["network"]
        assert descriptor.exclude == 0 and descriptor.exclude_vid == context["vid"]
        assert expected.target is None or descriptor.target == expected.target
        if context["control"] == Control.NONE:  # answers have no group
            assert descriptor.group == (context["group"] if expected.rewrites else GroupAddress.NONE)
        for name in ("start", "end", "tagged", "pcp_dei", "traffic_class", "flow", "group_octet"):
            assert descriptor[name] == context[name]
    fabric = params.is_fabric(context["port"])
    assert verdict.drop in (Drop.NONE, *(FABRIC_DROPS if fabric else ACCESS_DROPS))
    taken = expected.drop == Drop.NONE and context["control"] == Control.NONE
    assert (verdict.from_tep, verdict.from_vm) == (taken and fabric, taken and not fabric)
    assert verdict.floods == (taken and not fabric and expected.is_list)
    if taken:
        assert verdict.tep == findings["tep"] and verdict.tenant == findings["source"]["tenant"]
        assert descriptor.tenant == findings["destination"]["tenant"]
    wanted = context["asks"] and findings["flags"]["suppresses"] and is_group(findings["destination"])
    assert verdict.asks == bool(wanted and expected.drop == Drop.NONE)
    if verdict.asks:
        assert verdict.tenant == findings["source"]["tenant"] and not fabric
    place_now = learned_place(params, findings, expected)
    assert learn == (place_now is not None)
    if learn:
        assert (source.entry.kind, source.entry.port, source.entry.id) == place_now
        assert (source.tenant, source.mac) == (findings["source"]["tenant"], findings["source"]["mac"])
    return expected


def check_wish(interest, verdict):
    reason = Reason.DISCOVERY.value if verdict.discovery else verdict.drop.value
    assert verdict.wish.always == interest["always"] >> reason & 1
    assert verdict.wish.sampled == interest["sampled"] >> reason & interest["ports"] >> verdict.port & 1


@pytest.mark.parametrize("ports", [(1, 1), (3, 2)], ids=["1+1", "3+2"])
def test_rules(ports):
    params = Params(
        access_ports=ports[0], fabric_ports=ports[1], counted_tenants=16, storm_tenants=16, known_addresses=16
    )
    rng = random.Random(ports[0])
    dut = Judge(params)
    frames = [random_frame(rng, params) for _ in range(COUNT)]
    layouts = {"findings": Findings(params), "header": Header(params), "stored": Stored(params)}
    seen = Counter()

    def put(ctx, frame, names):
        for name in names:
            layout = layouts[name]
            members = {key: value for key, value in frame.items() if key in layout.members}
            ctx.set(getattr(dut, name), layout.const(members if name == "findings" else frame[name]))

    async def bench(ctx):
        for mtu, value in zip(dut.mtu, MTUS, strict=False):
            ctx.set(mtu, value)
        interest = {name: rng.getrandbits(32) for name in ("always", "sampled")}
        interest["ports"] = rng.randrange(1 << params.ports)
        ctx.set(dut.interest, interest)
        in_flight = deque([None] * (LATENCY - 1))
        for frame in [*frames, *in_flight]:
            # Now and then a clock without a frame, whose findings are still those of some frame.
            gap = rng.random() < 0.2
            for now in [None, frame] if gap else [frame]:
                ctx.set(dut.valid, now is not None)
                put(ctx, now or rng.choice(frames), ["findings"])
                in_flight.append(now)
                await ctx.tick()
                done = in_flight.popleft()
                assert ctx.get(dut.done) == (done is not None)
                if done is None:
                    continue
                put(ctx, done, ["header", "stored"])
                ctx.set(dut.ways, done["ways"])
                verdict, learn, source = (
                    ctx.get(getattr(dut, name)) for name in ("verdict", "learn", "source")
                )
                seen[check(params, done, verdict, learn, source).drop] += 1
                check_wish(interest, verdict)

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    assert seen.total() == COUNT
    assert set(seen) == set(Drop) - {Drop.STORM}  # the random findings reach every rule
