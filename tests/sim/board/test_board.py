"""The virtual board's wires, clock and host link, with a stand-in design."""

import itertools
import time

import pytest
from opentep.gateware.params import Params
from opentep.sim.board import Stop, VirtualBoard

OCTET_NS = 8  # at 1 Gb/s


@pytest.fixture(scope="session")
def params():
    return Params()


@pytest.fixture
def board(params, cross_connect):
    with VirtualBoard(params, design=cross_connect) as board:
        yield board


def frame(length, seed=0):
    return bytes((seed + i) & 0xFF for i in range(length))


def test_frames_pass_both_ways(board):
    sizes = [60, 61, 62, 63, 64, 65, 127, 128, 1514]
    for size in sizes:
        board.send(0, frame(size, 1))
        board.send(1, frame(size, 2))
    board.run_until_idle()
    assert [r.frame for r in board.received(1)] == [frame(size, 1) for size in sizes]
    assert [r.frame for r in board.received(0)] == [frame(size, 2) for size in sizes]
    assert board.stats(0).rx_frames == board.stats(0).tx_frames == len(sizes)
    assert board.stats(0).rx_octets == sum(sizes)


def test_minimum_frames_take_84_octet_times(board):
    """64 octets with FCS, 8 of preamble, 12 of gap (IEEE 802.3, 4.4.2)."""
    for i in range(200):
        board.send(0, frame(60, i))
    board.run_until_idle()
    received = board.received(1)[1:]  # the first one meets an empty queue, and waits for its last word
    starts = [r.start_ns for r in received]
    assert {b - a for a, b in itertools.pairwise(starts)} == {84 * OCTET_NS}
    assert {r.end_ns - r.start_ns for r in received} == {64 * OCTET_NS}


@pytest.mark.parametrize("length", [1, 14, 59, 60])
def test_short_frames_are_padded(board, length):
    board.send(0, frame(length))
    board.run_until_idle()
    (received,) = board.received(1)
    assert received.frame == frame(length).ljust(60, b"\0")


def test_output_is_padded_and_takes_the_time_of_a_whole_frame(board):
    for _ in range(3):
        board.send(0, frame(20), pad=False)
    for _ in range(3):
        board.send(0, frame(60), time_ns=10_000)
    board.run_until_idle()
    received = board.received(1)
    assert all(len(r.frame) == 60 for r in received)
    assert received[2].start_ns - received[1].start_ns == 84 * OCTET_NS


def test_errors_pass_through(board):
    board.send(0, frame(100), error=True)
    board.send(0, frame(100))
    board.run_until_idle()
    assert [r.error for r in board.received(1)] == [True, False]


def test_start_times_are_kept_and_idle_time_costs_no_clocks(board):
    starts = [1_000, 5_000_000, 700_000_000]
    for start in starts:
        board.send(0, frame(64), start)
    board.run_until_idle()
    delays = [r.start_ns - start for start, r in zip(starts, board.received(1), strict=True)]
    assert len(set(delays)) == 1
    assert 0 < delays[0] < 100
    assert board.time_ns > 700_000_000
    assert board.clocks < 2_000


def test_a_frame_cannot_start_in_the_past(board):
    board.run(until_ns=1_000_000)
    board.send(0, frame(64), 10)
    board.run_until_idle()
    assert board.received(1)[0].start_ns > 1_000_000


def test_run_stops_where_asked(board):
    board.send(0, frame(64), 10_000)
    board.send(0, frame(64), 20_000)
    assert board.run(until_ns=5_000) is Stop.TIME
    assert board.time_ns == 5_000
    assert board.run(frame=True) is Stop.FRAME
    assert len(board.received(1)) == 1
    assert board.pending(0) == 1
    assert board.run(max_clocks=10) is Stop.CLOCKS
    assert board.run(idle=True) is Stop.IDLE
    assert board.idle
    assert board.run(until_ns=2_000_000) is Stop.TIME
    assert board.time_ns == 2_000_000
    board.link_write(b"x")
    assert board.run(link=True) is Stop.LINK


def test_rate_that_is_no_whole_number_of_clocks(params, cross_connect):
    """300 Mb/s: 3.33 clocks per octet. The long-time average is exact."""
    with VirtualBoard(params, design=cross_connect, rate=300_000_000) as board:
        for i in range(302):
            board.send(0, frame(60, i))
        board.run_until_idle()
        starts = [r.start_ns for r in board.received(1)[1:]]
    exact = 300 * 84 * 8 / 0.3
    assert abs(starts[-1] - starts[0] - exact) <= 4 * 8


def test_rates_per_port_and_direction(params, cross_connect):
    rates = {"rate": [1_000_000_000, 100_000_000], "tx_rate": 4_000_000_000}
    with VirtualBoard(params, design=cross_connect, **rates) as board:
        for port in (0, 1):
            for i in range(5):
                board.send(port, frame(60, i))
        board.run_until_idle()
        fast, slow = ([r.start_ns for r in board.received(port)] for port in (1, 0))
    assert fast[4] - fast[1] == 3 * 84 * 8
    assert slow[4] - slow[1] == 3 * 84 * 80


@pytest.mark.long
@pytest.mark.parametrize("width", [64, 512])
def test_wide_datapaths(cross_connect, width):
    params = Params(width=width, access_ports=3)
    with VirtualBoard(params, design=cross_connect, rate=width * params.clock_hz) as board:
        frames = [frame(size, size) for size in range(60, 400, 7)]
        for port in range(4):
            for octets in frames:
                board.send(port, octets)
        board.run_until_idle()
        for port in range(4):
            assert [r.frame for r in board.received(port)] == frames


def test_stalls_change_only_the_time(params, cross_connect):
    frames = [frame(60 + 13 * i % 300, i) for i in range(50)]
    times = []
    for _ in range(2):
        with VirtualBoard(params, design=cross_connect, tx_stall=0.3, rx_gap=0.3, seed=7) as board:
            for octets in frames:
                board.send(0, octets)
            board.run_until_idle()
            assert [r.frame for r in board.received(1)] == frames
            times.append(board.time_ns)
    assert times[0] == times[1] > sum(len(f) + 24 for f in frames) * OCTET_NS


def test_second_strobes_follow_simulated_time(board):
    board.run(until_ns=3_500_000_000)
    assert board.link_read() == b"\xa5\xa5\xa5"
    assert board.clocks < 1_000


def test_ticks_of_storm_control_follow_simulated_time(params, tick_counter):
    """All are told, but together where nothing comes between; none while they have no effect."""
    second = 1_000_000_000
    with VirtualBoard(params, design=tick_counter) as board:
        board.link_write(b"\1")
        board.run(until_ns=second + 10_000)
        for number in range(30):
            board.send(0, frame(60), second + number * 20_000_000)
        board.run(until_ns=3 * second + 10_000)
        assert board.clocks < 40_000
        # The tick that comes with the strobe is behind it.
        counts = [int.from_bytes(board.link_read(4), "big") for _ in range(3)]
        assert counts == [4096 - 1, 2 * 4096 - 1, 3 * 4096 - 1]

        board.link_write(b"\0")
        board.run_until_idle()
        before = board.clocks
        board.run(until_ns=5 * second + 10_000)
        assert board.clocks < before + 1_000
        board.link_write(b"\1")
        board.run(until_ns=6 * second + 10_000)
        counts = [int.from_bytes(board.link_read(4), "big") for _ in range(3)]
        assert counts == [3 * 4096, 3 * 4096, 4 * 4096 - 1]


def test_host_link_echoes(board):
    board.link_write(bytes(range(200)))
    board.run_until_idle()
    assert board.link_read(50) == bytes(range(1, 51))
    assert board.link_read() == bytes(range(51, 201))
    assert board.link_read() == b""


def test_host_link_at_a_baud_rate(params, cross_connect):
    with VirtualBoard(params, design=cross_connect, link_baud=1_000_000) as board:
        board.link_write(bytes(100))
        board.run_until_idle()
        assert len(board.link_read()) == 100
        assert 99 * 10_000 <= board.time_ns <= 101 * 10_000


def test_transport_runs_the_clock_and_sleeps_when_nothing_can_come(board):
    transport = board.link_transport()
    transport.write(b"abc")
    answer = b""
    while len(answer) < 3:
        answer += transport.read(1.0)
    assert answer == b"bcd"
    begin, cpu = time.monotonic(), time.process_time()
    assert transport.read(0.3) == b""
    assert time.monotonic() - begin >= 0.3
    assert time.process_time() - cpu < 0.15


def test_arguments_are_checked(params, cross_connect, board):
    with pytest.raises(ValueError, match="rate must be from 1 to 4000000000"):
        VirtualBoard(params, design=cross_connect, rate=5_000_000_000)
    with pytest.raises(ValueError, match="2 ports need as many values of rate, not 1"):
        VirtualBoard(params, design=cross_connect, rate=[1])
    with pytest.raises(ValueError, match="tx_stall"):
        VirtualBoard(params, design=cross_connect, tx_stall=1.0)
    with pytest.raises(ValueError, match="port must be from 0 to 1, not 2"):
        board.send(2, bytes(60))
    with pytest.raises(ValueError, match="at least one octet"):
        board.send(0, b"")
    with pytest.raises(ValueError, match="needs an end"):
        board.run()


def test_a_closed_board_says_so(params, cross_connect):
    board = VirtualBoard(params, design=cross_connect)
    board.close()
    board.close()
    with pytest.raises(ValueError, match="closed"):
        board.run_until_idle()


def test_speed(board, capsys):
    for i in range(500):
        for port in (0, 1):
            board.send(port, frame(1514, i))
    begin = time.perf_counter()
    board.run_until_idle()
    elapsed = time.perf_counter() - begin
    assert [len(board.received(port)) for port in (0, 1)] == [500, 500]
    with capsys.disabled():
        print(f"\nvirtual board, stand-in design: {board.clocks / elapsed / 1e6:.2f} million clocks/s")
