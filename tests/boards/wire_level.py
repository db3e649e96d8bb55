"""cocotb module: a whole board between its pins, with PHYs, a UART and frames that nobody here wrote the ends of."""

import os
import random
from collections import Counter
from collections.abc import Collection
from dataclasses import replace

import cocotb
from board_bench import BOARD, Host, Partner, power_up
from cocotb.triggers import Timer
from cocotb.utils import get_sim_time
from opentep.gateware.phy.gmii import Speed
from opentep.host.driver import Driver
from opentep.host.tables import TepTables
from opentep.sim.bench.scene import FCS, Scene
from opentep.sim.model import TepModel
from opentep.sim.traffic import schedule
from opentep.sim.wire import OVERHEAD, pad

SPEED = float(os.environ["SPEED"])
PPM = float(os.environ["PPM"])
LINK_SPEED = {1e7: Speed.MBIT_10, 1e8: Speed.MBIT_100, 1e9: Speed.MBIT_1000}[SPEED]
SETTLE_US = 60
"""Longer than a frame is inside the TEP."""


def octets_ns(octets: int) -> float:
    return octets * 8e9 / SPEED


class Wires:
    """The partners of all ports, and what must come out of them."""

    def __init__(self, dut, tables):
        signs = (1, -1)
        self.partners = [
            Partner(dut, number, speed=SPEED, ppm=sign * PPM)
            for number, sign in zip(range(len(BOARD.ports)), signs, strict=False)
        ]
        self._model = TepModel(tables, BOARD.params)
        self._expected: list[Counter[bytes]] = [Counter() for _ in self.partners]

    def partner(self, port: int) -> int:
        """The PHY of a port of the TEP."""
        return 0 if BOARD.is_trunk else port

    def send(self, port: int, frame: bytes) -> None:
        for out, octets in self._model.receive(port, frame, 0):
            self._expected[self.partner(out)][pad(octets)] += 1
        self.partners[self.partner(port)].send(frame)

    async def settle(self) -> None:
        for partner in self.partners:
            await partner.sent()
        before, count = -1, 0
        while count != before:
            await Timer(SETTLE_US * 1e9 / SPEED, "us", round_mode="round")
            before, count = count, sum(partner.phy.tx.count() for partner in self.partners)

    def check(self) -> int:
        """All that must have come out has, and nothing else; how many frames."""
        total = 0
        for number, partner in enumerate(self.partners):
            received = Counter(item.frame for item in partner.received())
            missing, surplus = self._expected[number] - received, received - self._expected[number]
            assert not missing and not surplus, (
                f"eth{number}: {missing.total()} of {self._expected[number].total()} frames missing,"
                f" {surplus.total()} wrong; lengths missing {sorted({len(f) for f in missing})[:20]}"
            )
            total += received.total()
            self._expected[number].clear()
        return total


async def start(dut, tables, down: Collection[int] = ()) -> tuple[Host, Wires]:
    """Without a link at the ports that are ``down``."""
    dut.up.value = sum(1 << port for port in range(len(BOARD.ports)) if port not in down)
    await power_up(dut, ppm=-PPM)
    host = Host(dut)
    params = await host.do(lambda registers: registers.params)
    assert params == BOARD.params
    await host.configure(tables)
    for port in range(BOARD.params.ports):
        link = await host.do(lambda registers, port=port: registers.read(f"port[{port}].link"))
        expected = {"up": 1, "speed": LINK_SPEED, "full_duplex": 1}
        assert not link["up"] if port in down else link == expected, link
    wires = Wires(dut, tables)
    return host, wires


@cocotb.test()
async def random_frames(dut):
    """What leaves the pins is what the model says, whatever comes in, broken frames among it."""
    rng = random.Random(int(os.environ["SEED"]))
    tables = _few_copies(Scene(BOARD.params).tables)
    host, wires = await start(dut, tables)
    begin = get_sim_time("ns")
    for event in schedule(tables, rng, int(os.environ["FRAMES"]), copies=8, longest=1514, rate=int(SPEED)):
        due = begin + event.time
        if due > get_sim_time("ns"):
            await Timer(due - get_sim_time("ns"), "ns", round_mode="round")
        wires.send(event.port, event.frame)
        if rng.random() < 0.3:
            _spoilt(rng, wires, event.port, event.frame)
    await wires.settle()
    assert wires.check() > 0
    counters = await host.do(lambda registers: Driver(registers).port_counters(["access", "fabric"]))
    cocotb.log.info("%s", counters)
    assert all(counters["ports"][name]["drops"]["rx-error"] for name in ("access", "fabric"))


def _few_copies(tables: TepTables) -> TepTables:
    """Without the tenants whose broadcasts take longest."""
    tenants = tuple(tenant for tenant in tables.tenants if tenant.name != "audience32")
    kept = {tenant.index for tenant in tenants}
    macs = tuple(entry for entry in tables.macs if entry.tenant in kept)
    return replace(tables, tenants=tenants, macs=macs)


def _spoilt(rng: random.Random, wires: Wires, port: int, frame: bytes) -> None:
    """Send ``frame`` so that nobody may take it."""
    partner = wires.partners[wires.partner(port)]
    kind = rng.choice(("fcs", "cut", "bit"))
    if kind == "fcs":
        partner.send(frame, spoil=lambda wire: wire[:-1] + bytes((wire[-1] ^ 1 << rng.randrange(8),)))
    elif kind == "cut":
        partner.send(frame, spoil=lambda wire: wire[: rng.randrange(1, len(wire))])
    else:
        place = rng.randrange(len(frame))
        partner.send(
            frame, spoil=lambda wire: wire[:place] + bytes((wire[place] ^ 0x10,)) + wire[place + 1 :]
        )


@cocotb.test(skip=BOARD.is_trunk)
async def line_rate(dut):
    """Every size at 100 % from the fabric, and as much from servers as the fabric's wire carries, both at once."""
    scene = Scene(BOARD.params)
    _, wires = await start(dut, scene.tables)
    sizes = [int(size) for size in os.environ["SIZES"].split() for _ in range(int(os.environ["REPEATS"]))]
    down = [scene.decapsulated(0, n % 4, size - FCS).frame for n, size in enumerate(sizes)]
    up = [scene.encapsulated(0, n % 4, size - FCS).frame for n, size in enumerate(sizes)]
    grown = sum(len(frame) - 4 + 54 + OVERHEAD for frame in up)
    plain = sum(len(frame) + OVERHEAD for frame in up)
    begin = get_sim_time("ns")
    for frame in down:
        wires.send(1, frame)
    # As a sender that leaves gaps: what grows in the TEP must fit behind it.
    for frame in up:
        wires.send(0, frame)
        await Timer(octets_ns(len(frame) + OVERHEAD) * grown / plain * 1.0005, "ns", round_mode="round")
    await wires.settle()
    elapsed = get_sim_time("ns") - begin
    count = wires.check()
    cocotb.log.info("%d frames, none lost, in %.0f us", count, elapsed / 1000)
    assert count == len(down) + len(up)


@cocotb.test(skip=BOARD.is_trunk or LINK_SPEED is not Speed.MBIT_1000)
async def unplugged(dut):
    """What goes to a port without a link leaves at once: slowly it would hold memory that others need."""
    scene = Scene(BOARD.params)
    _, wires = await start(dut, scene.tables, down=[1])
    for n in range(20):
        wires.send(0, scene.encapsulated(0, n % 4, 1518 - FCS).frame)
    await wires.settle()
    assert wires.check() == 20
