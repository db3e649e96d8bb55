"""How far tables fill: what the compiler promises is there."""

import json

from click.testing import CliRunner
from opentep.gateware.params import Params
from opentep.host.cli.bench import command
from opentep.host.fill import TABLES, fill_tenant_tables


def test_every_shape_holds_what_is_promised() -> None:
    steps: list[tuple[int, int]] = []
    results = list(fill_tenant_tables(Params(tenants=256), 5, lambda *step: steps.append(step)))
    assert [(result.choices, result.slots) for result in results] == list(TABLES)
    for result in results:
        assert result.promised <= result.least <= result.median <= result.depth + Params.stash
        assert 0 < result.moves < result.most_moves
    fills = [result.median / result.depth for result in results]
    assert fills == sorted(fills), "more choices and slots fill further"
    assert steps[-1] == (20, 20)


def test_the_command() -> None:
    result = CliRunner().invoke(command, ["tables", "--param", "tenants=64", "--tables", "2", "--json"])
    assert result.exit_code == 0
    assert [item["depth"] for item in json.loads(result.stdout)] == [128, 64, 96, 96]
