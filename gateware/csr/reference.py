"""The register reference, for people (Markdown) and tools (SystemRDL 2.0)."""

from amaranth.hdl import Shape, ShapeLike

from .bus import WORD_BITS
from .codec import Codec
from .element import Access, Register, Table, leaves
from .memory_map import MemoryMap, Resource

__all__ = ["markdown_table", "systemrdl"]

_ACCESS = {Access.READ: "read only", Access.WRITE: "write only", Access.READ_WRITE: "read/write"}
_SW = {Access.READ: "r", Access.WRITE: "w", Access.READ_WRITE: "rw"}
_RDL_KEYWORDS = frozenset(
    (
        *(
            "abstract",
            "accesstype",
            "addressingtype",
            "addrmap",
            "alias",
            "all",
            "bit",
            "boolean",
            "bothedge",
        ),
        *("bundle", "component", "componentwidth", "constraint", "default", "encode", "enum", "external"),
        *("false", "field", "fullalign", "hw", "inside", "internal", "level", "longint", "mem", "na"),
        *("negedge", "nonsticky", "number", "onreadtype", "onwritetype", "posedge", "property", "r", "rclr"),
        *("ref", "reg", "regalign", "regfile", "rset", "ruser", "rw", "rw1", "signal", "string", "struct"),
        *("sw", "this", "true", "type", "unsigned", "w", "w1", "woclr", "woset", "wot", "wclr", "wset"),
        *("wuser", "wzc", "wzs", "wzt"),
    )
)
"""Reserved words of SystemRDL 2.0, table 4."""


def markdown_table(memory_map: MemoryMap) -> str:
    """All registers and tables, then the fields of those that have any."""
    lines = [
        "| address | name | entries × words | bits | access | reset | meaning |",
        "|---|---|---|---|---|---|---|",
    ]
    for resource in memory_map:
        element = resource.element
        if isinstance(element, Table):
            extent = f"{element.depth} × {element.words}, every {element.stride}"
            reset = ""
        else:
            extent = f"{element.words}"
            reset = f"0x{element.reset:x}"
        lines.append(
            f"| {resource.start:05x} | `{resource.name}` | {extent} | {element.width} | "
            f"{_ACCESS[element.access]} | {reset} | {element.doc} |"
        )
    for title, shape in _structures(memory_map):
        lines += ["", f"### {title}", "", "| bits | field |", "|---|---|"]
        for name, low, part in _grouped(shape):
            lines.append(f"| {_bit_range(low, part)} | `{name}` |")
    return "\n".join(lines) + "\n"


def _bit_range(low: int, shape: ShapeLike) -> str:
    high = low + Shape.cast(shape).width - 1
    return f"{low}" if high == low else f"{high}:{low}"


def _structures(memory_map: MemoryMap) -> list[tuple[str, ShapeLike]]:
    """Every structure once, under the names of the elements that have it."""
    found: list[tuple[list[str], ShapeLike, list[tuple[str, int, int]]]] = []
    for resource in memory_map:
        shape = resource.element.shape
        if not Codec(shape).fields:
            continue
        parts = [(name, low, Shape.cast(part).width) for name, low, part in leaves(shape)]
        name = _family(resource)
        for names, _, known in found:
            if known == parts:
                if name not in names:
                    names.append(name)
                break
        else:
            found.append(([name], shape, parts))
    return [(", ".join(f"`{name}`" for name in names), shape) for names, shape, _ in found]


def _family(resource: Resource) -> str:
    """Name of the declaration: ``port[0].mac`` is one of ``port[].mac``."""
    text = ""
    for part in resource.path:
        text += "[]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _grouped(shape: ShapeLike) -> list[tuple[str, int, ShapeLike]]:
    """Leaves, with an array of octets (an address, say) as one."""
    result: list[tuple[str, int, ShapeLike]] = []
    for name, low, part in leaves(shape):
        base, bracket, _ = name.partition("[")
        if bracket and result and result[-1][0] == base:
            previous = result[-1]
            result[-1] = (base, previous[1], Shape.cast(previous[2]).width + Shape.cast(part).width)
        else:
            result.append((base, low, part))
    return result


def systemrdl(memory_map: MemoryMap, name: str, title: str) -> str:
    """One ``addrmap`` with byte addresses. Tables are arrays of external registers."""
    lines = [f"addrmap {name} {{", f'    name = "{title}";', "    default accesswidth = 32;"]
    for resource in memory_map:
        lines += _rdl_register(resource)
    lines += ["};", ""]
    return "\n".join(lines)


def _rdl_register(resource: Resource) -> list[str]:
    element = resource.element
    octets = WORD_BITS // 8
    instance = "_".join(str(part) for part in resource.path)
    array = ""
    if isinstance(element, Table):
        array = f"[{element.depth}]"
    external = "external " if isinstance(element, Table) else ""
    lines = [f"    {external}reg {{", f'        name = "{resource.name}";']
    lines.append(f'        desc = "{element.doc}";')
    lines.append(f"        regwidth = {element.stride * WORD_BITS};")
    lines.append(f"        default sw = {_SW[element.access]};")
    hardware = "na" if isinstance(element, Register) and element.is_constant else "w"
    if isinstance(element, Table) or element.access is not Access.READ:
        hardware = "r" if isinstance(element, Register) else "rw"
    lines.append(f"        default hw = {hardware};")
    for field, low, part in _grouped(element.shape):
        width = Shape.cast(part).width
        label = _identifier(field.replace(".", "_") or "value")
        reset = ""
        if isinstance(element, Register) and not (element.access is Access.READ and not element.is_constant):
            reset = f" = {width}'h{element.reset >> low & (1 << width) - 1:x}"
        lines.append(f"        field {{}} {label}[{low + width - 1}:{low}]{reset};")
    stride = f" += 0x{element.stride * octets:x}" if array else ""
    lines.append(f"    }} {_identifier(instance)}{array} @ 0x{resource.start * octets:x}{stride};")
    return lines


def _identifier(name: str) -> str:
    return f"\\{name}" if name in _RDL_KEYWORDS else name
