"""``docs/registers.md`` and ``docs/registers.rdl``."""

from dataclasses import fields
from pathlib import Path

from opentep.gateware.csr.reference import markdown_table, systemrdl
from opentep.gateware.events import counter_names
from opentep.gateware.params import Params
from opentep.gateware.registers import API_VERSION, memory_map

__all__ = ["main", "render_markdown", "render_systemrdl"]

_INTRODUCTION = """\
# Registers and tables

Generated from `gateware/registers.py` by `python -m opentep.host.reference`; do not edit. Addresses are hexadecimal
and count words of 32 bits; those behind `id` depend on the build parameters. The host's software
(`opentep.host.registers`) uses names only.

- An element of several words has its lowest bits in the first one. It is written word by word in order of address,
  and changes as a whole with the last word. Reading its first word takes a snapshot for the words that follow.
- The entries of a table stand at a power-of-two distance, given as *every*.
- Reading an address without element gives 0, writing it does nothing; both are reported as bus errors, as is writing
  what is read only.
"""


def render_markdown(params: Params) -> str:
    """The register reference of a core with ``params``."""
    values = ", ".join(f"{field.name} {getattr(params, field.name)}" for field in fields(Params))
    counters = "\n".join(f"| {index} | `{name}` |" for index, name in enumerate(counter_names(params)))
    return (
        f"{_INTRODUCTION}\nVersion {API_VERSION}, with the parameters {values}.\n\n"
        f"{markdown_table(memory_map(params))}\n"
        f"## Counters\n\n| index | counter |\n|---|---|\n{counters}\n"
    )


def render_systemrdl(params: Params) -> str:
    """The same as SystemRDL 2.0, for the PeakRDL tools."""
    return systemrdl(memory_map(params), "opentep", "opentep tunnel end point")


def main(folder: Path) -> None:
    """Write both files into ``folder``."""
    (folder / "registers.md").write_text(render_markdown(Params()))
    (folder / "registers.rdl").write_text(render_systemrdl(Params()))


if __name__ == "__main__":
    main(Path(__file__).resolve().parent.parent / "docs")
