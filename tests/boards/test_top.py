# amaranth: UnusedElaboratable=no
"""Every board becomes a netlist with its pins and with a constraint for each clock that comes in."""

import re
from dataclasses import replace

import pytest
from opentep.boards.catalogue import BOARDS
from opentep.boards.devices import DEVICES
from opentep.boards.plan import make_plan
from opentep.boards.top import BoardTop
from opentep.boards.wires import Wires


@pytest.mark.parametrize("name", BOARDS)
def test_netlist_and_constraints(name):
    board = BOARDS[name]
    plan = make_plan(board.platform(), BoardTop(board))
    clocks = dict(re.findall(r'FREQUENCY PORT "(\S+)" ([\d.]+) HZ', plan.constraints))
    hertz = sorted(float(value) for value in clocks.values())
    assert hertz == sorted([board.oscillator_hz, *[125e6] * len(board.ports)])
    pins = set(re.findall(r'LOCATE COMP "(\S+)" SITE', plan.constraints))
    for port in board.ports:
        assert f"eth_rgmii_{port.number}__tx_clk__io" in pins
        assert {f"eth_rgmii_{port.number}__rx_data__io[{bit}]" for bit in range(4)} <= pins
    assert {"uart_0__rx__io", "uart_0__tx__io", "eth_rgmii_0__mdc__io", "eth_rgmii_0__mdio__io"} <= pins
    gates = re.findall(r"cell \\DCCA .*\n.*\n *connect \\CE (.*)\n *connect \\CLKO (.*)", plan.rtlil)
    gated = {"gigabit_clk", "clk", *(f"eth{port.number}_rx_clk" for port in board.ports)}
    assert sorted(gates) == sorted((r"\running [0]", f"\\{clock}") for clock in gated), (
        "no reset without these"
    )
    wires = Wires(plan.rtlil)
    for number in range(len(board.ports)):
        for bit, where in enumerate(("underrun", "rx_crossing.overflow")):
            driver, *_ = wires.driver(wires.bit(f"tep.core.faults__{number}", bit))
            assert driver.partition("$")[0] == f"eth{board.ports[number].number}.mac.{where}"
    assert board.timing_model in DEVICES
    assert plan.device.replace("UM5G", "UM") in board.timing_model


def test_the_clock_of_the_colorlight_comes_from_a_phy_that_is_never_reset():
    board = BOARDS["colorlight-5a-75b-r8"]
    plan = make_plan(board.platform(), BoardTop(board))
    assert "rst" not in plan.constraints and '"R6"' not in plan.constraints
    board = BOARDS["colorlight-5a-75b"]
    plan = make_plan(board.platform(), BoardTop(board))
    assert 'LOCATE COMP "eth_rgmii_0__rst__io" SITE "P5"' in plan.constraints
    assert board.phy.reset_us is None, "the pin is held at the other level"


@pytest.mark.parametrize(
    ("name", "attribute", "pins"),
    [
        ("ecpix5-45", "PULLMODE=UP", [f"rx_data__io[{bit}]" for bit in range(4)]),
        ("ecpix5-85", "PULLMODE=UP", [f"rx_data__io[{bit}]" for bit in range(4)]),
        ("logicbone", "PULLMODE=UP", ["mdio__io"]),
        ("butterstick", "SLEWRATE=FAST", ["tx_clk__io", "tx_ctl__io", "tx_data__io[3]"]),
    ],
)
def test_what_the_pins_of_a_phy_need(name, attribute, pins):
    board = BOARDS[name]
    plan = make_plan(board.platform(), BoardTop(board))
    for pin in pins:
        (line,) = (
            line for line in plan.constraints.splitlines() if f'IOBUF PORT "eth_rgmii_0__{pin}"' in line
        )
        assert attribute in line and "IO_TYPE=LVCMOS33" in line


def test_the_uart_of_the_logicbone_is_at_pins_24_and_26_of_p9():
    board = BOARDS["logicbone"]
    plan = make_plan(board.platform(), BoardTop(board))
    assert 'LOCATE COMP "uart_0__tx__io" SITE "A7"' in plan.constraints
    assert 'LOCATE COMP "uart_0__rx__io" SITE "B6"' in plan.constraints


def test_parameters_that_no_board_has_are_refused():
    board = BOARDS["colorlight-5a-75b"]
    with pytest.raises(ValueError, match="an access and a fabric port, not 4 ports"):
        BoardTop(board, replace(board.params, access_ports=3))
    with pytest.raises(ValueError, match="clock_hz is 83333333"):
        BoardTop(board, replace(board.params, clock_hz=125_000_000))
    with pytest.raises(ValueError, match="max_frame is at most 16379 on a board"):
        BoardTop(board, replace(board.params, max_frame=16_380))
    BoardTop(board, replace(board.params, max_frame=16_379))
