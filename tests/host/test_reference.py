"""The committed register reference, and SystemRDL as other tools read it."""

from pathlib import Path

import pytest
from opentep.gateware.params import Params
from opentep.gateware.registers import memory_map
from opentep.host.reference import render_markdown, render_systemrdl
from systemrdl import RDLCompiler
from systemrdl.node import AddrmapNode, RegNode

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("name", "render"), [("registers.md", render_markdown), ("registers.rdl", render_systemrdl)]
)
def test_committed_reference_is_current(name, render):
    text = (DOCS / name).read_text()
    assert text == render(Params()), "run `python -m opentep.host.reference`"


@pytest.mark.parametrize("params", [Params(), Params(width=64, access_ports=3, fabric_ports=2, teps=512)])
def test_systemrdl_says_the_same_as_the_memory_map(tmp_path, params):
    file = tmp_path / "registers.rdl"
    file.write_text(render_systemrdl(params))
    compiler = RDLCompiler()
    compiler.compile_file(str(file))
    top = compiler.elaborate().top
    assert isinstance(top, AddrmapNode)
    found = {
        node.get_property("name"): node for node in top.children(unroll=False) if isinstance(node, RegNode)
    }
    declared = memory_map(params)
    assert set(found) == {resource.name for resource in declared}
    for resource in declared:
        node, element = found[resource.name], resource.element
        assert node.raw_address_offset == 4 * resource.start
        assert node.get_property("regwidth") == 32 * element.stride
        assert sum(field.width for field in node.fields()) == element.width
        depth = getattr(element, "depth", None)
        if depth is not None:
            assert node.array_dimensions == [depth]
            assert node.array_stride == 4 * element.stride
        if resource.name.startswith("id."):
            (field,) = node.fields()
            assert field.get_property("reset") == element.reset
        assert node.has_sw_writable == element.access.writable
