"""Dividers make the wanted frequencies within the limits of the data sheet."""

import pytest
from opentep.boards.pll import plan_pll


@pytest.mark.parametrize("mhz", [25, 30, 50, 100, 125])
@pytest.mark.parametrize("core_mhz", [62.5, 85, 101])
def test_plans_for_the_oscillators_of_boards(mhz, core_mhz):
    plan = plan_pll(mhz * 1_000_000, [125_000_000], [int(core_mhz * 1e6)])
    gigabit, core = plan.output_hz
    assert gigabit == 125_000_000
    assert 0.85 * core_mhz * 1e6 < core <= core_mhz * 1e6
    assert 400e6 <= plan.vco_hz <= 800e6
    assert plan.input_hz / plan.input_divider >= 10e6
    assert plan.input_hz * plan.feedback_divider * plan.loop_divider == plan.vco_hz * plan.input_divider
    assert all(1 <= n <= 128 for n in (*plan.dividers, plan.loop_divider, plan.feedback_divider))


def test_what_the_pll_cannot_make_is_refused():
    with pytest.raises(ValueError, match="no PLL makes 125 MHz from 12 MHz"):
        plan_pll(12_000_000, [125_000_000], [])
    with pytest.raises(ValueError, match="3 outputs, not 4"):
        plan_pll(25_000_000, [125_000_000] * 3, [1])
