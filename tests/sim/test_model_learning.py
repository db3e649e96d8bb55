"""Learning, moves and ageing."""

from dataclasses import replace

from opentep.host.tables import TepTables
from opentep.sim.model import TepModel

SECOND = 1_000_000_000
NEW, RED1, RED2 = "a20001000099", "a20001000001", "a20001000002"
FAR_SOURCE, KERNEL_SOURCE = "20010db8000000000000000000000002", "20010db8000000000000000000000103"


def learner(tables: TepTables, source: bool = True, remote: bool = True, age: int = 300) -> TepModel:
    red = replace(tables.tenants[0], learn_source=source, learn_remote=remote, unknown_list=None)
    return TepModel(replace(tables, tenants=(red, tables.tenants[1]), age_seconds=age))


def frame(dst: str, src: str, vid: int) -> bytes:
    return bytes.fromhex(f"{dst}{src}8100{vid:04x}0806").ljust(60, b"\0")


def tunnel(dst: str, src: str, outer_src: str = FAR_SOURCE) -> bytes:
    header = "020000000f01020000000aaa86dd60000001" + "003c8f40" + outer_src + "20010db8" + "0" * 23 + "1"
    return bytes.fromhex(header) + bytes.fromhex(dst + src + "0806").ljust(60, b"\0")


def dropped(model: TepModel, port: str) -> dict[str, int]:
    return {label: n for label, n in model.counters()["ports"][port]["drops"].items() if n}


def test_source_is_learned_and_then_reached(tables: TepTables) -> None:
    model = learner(tables)
    assert model.receive(0, frame(NEW, RED1, 10)) == []
    assert [port for port, _ in model.receive(1, frame(RED1, NEW, 77))] == [0]
    assert model.receive(0, frame(NEW, RED1, 10)) == [(1, frame(NEW, RED1, 77))]
    assert model.counters()["mac"] == {"learned": 1, "moved": 0, "aged": 0, "refused": 0, "events_lost": 0}


def test_source_is_learned_even_if_its_frame_is_dropped_for_its_destination(tables: TepTables) -> None:
    model = learner(tables)
    for dst in ("b20001000001", "a20001000055"):
        assert model.receive(1, frame(dst, NEW, 77)) == []
    assert dropped(model, "server1") == {"policy": 1, "unknown-unicast": 1}
    assert model.counters()["mac"]["learned"] == 1


def test_the_first_frame_does_not_meet_its_own_entry(tables: TepTables) -> None:
    model = learner(tables)
    for _ in range(2):
        model.receive(0, frame(NEW, NEW, 77))
    assert dropped(model, "server0") == {"unknown-unicast": 1, "reflected": 1}


def test_learned_source_moves(tables: TepTables) -> None:
    model = learner(tables)
    for port, vid in ((0, 77), (0, 78), (1, 78), (1, 78)):
        assert len(model.receive(port, frame(RED1, NEW, vid))) == 1
    model.receive(2, tunnel(RED1, NEW))
    assert model.counters()["mac"]["moved"] == 3
    assert [port for port, _ in model.receive(0, frame(NEW, RED1, 10))] == [2]
    model.receive(2, tunnel(RED1, NEW, KERNEL_SOURCE))
    [(_, octets)] = model.receive(0, frame(NEW, RED1, 10))
    assert octets[38:54].hex().endswith("3")
    assert model.counters()["mac"] == {"learned": 1, "moved": 4, "aged": 0, "refused": 0, "events_lost": 0}


def test_a_tenant_learns_no_more_than_it_may(tables: TepTables) -> None:
    model = learner(tables, age=10)
    model = TepModel(replace(model.config, learned_limit=2))
    for time, low in ((0, 1), (1, 2), (1, 3), (2, 1), (11, 3)):
        model.receive(0, frame(RED1, f"a200010001{low:02x}", 77), time * SECOND)
    # The second one had aged when the third one came again; the first was refreshed.
    assert model.counters()["mac"] == {"learned": 3, "moved": 0, "aged": 1, "refused": 1, "events_lost": 0}
    blue = replace(tables.tenants[1], learn_source=True)
    model = TepModel(replace(model.config, tenants=(model.config.tenants[0], blue)))
    for src in ("a20001000101", "a20001000102", "a20001000103", "b20001000101"):
        model.receive(0, frame(RED1, src, 77))
    assert model.counters()["mac"]["learned"] == 3, "each tenant has its own limit"


def test_static_entries_never_move(tables: TepTables) -> None:
    model = learner(tables)
    assert model.receive(0, frame(RED1, RED2, 77)) == []
    assert model.receive(2, tunnel(RED1, RED2)) == []
    assert dropped(model, "server0") == {"spoofed": 1}
    assert dropped(model, "fabric") == {"spoofed": 1}
    assert model.counters()["mac"] == {"learned": 0, "moved": 0, "aged": 0, "refused": 0, "events_lost": 0}


def test_local_learned_source_does_not_move_to_the_fabric_unless_that_learns(tables: TepTables) -> None:
    model = learner(tables, remote=False)
    model.receive(0, frame(RED1, NEW, 77))
    assert model.receive(2, tunnel(RED1, NEW)) == []
    assert dropped(model, "fabric") == {"spoofed": 1}


def test_remote_learned_source_is_spoofed_on_access_unless_that_learns(tables: TepTables) -> None:
    model = learner(tables, source=False)
    model.receive(2, tunnel(RED1, NEW))
    assert model.receive(0, frame(RED1, NEW, 77)) == []
    assert dropped(model, "server0") == {"spoofed": 1}


def test_fabric_sources_are_learned_only_by_policy(tables: TepTables) -> None:
    model = learner(tables, remote=False)
    model.receive(2, tunnel(RED1, NEW))
    assert model.counters()["mac"]["learned"] == 0


def test_nothing_is_learned_from_a_spoofed_or_foreign_frame(tables: TepTables) -> None:
    model = learner(tables)
    model.receive(2, tunnel("b20001000001", NEW))
    model.receive(2, tunnel("c20001000001", NEW))
    model.receive(2, tunnel(RED1, NEW, "20010db8" + "0" * 22 + "77"))
    model.receive(0, frame(RED1, "b20001000099", 77))
    assert model.counters()["mac"]["learned"] == 0


def test_learned_entries_age_and_frames_refresh_them(tables: TepTables) -> None:
    model = learner(tables, age=10)
    model.receive(0, frame(RED1, NEW, 77), time=0)
    model.receive(0, frame(RED1, NEW, 77), time=9 * SECOND)
    assert len(model.receive(0, frame(NEW, RED1, 10), time=18 * SECOND)) == 1
    assert model.receive(0, frame(NEW, RED1, 10), time=19 * SECOND) == []
    assert model.counters()["mac"] == {"learned": 1, "moved": 0, "aged": 1, "refused": 0, "events_lost": 0}
    # Static entries stay for good.
    assert len(model.receive(0, frame(RED2, RED1, 10), time=10**6 * SECOND)) == 1


def test_time_passes_without_frames(tables: TepTables) -> None:
    model = learner(tables)
    model.receive(0, frame(RED1, NEW, 77))
    model.advance(300 * SECOND)
    assert model.counters()["mac"]["aged"] == 1
