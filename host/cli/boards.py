"""Boards on the command line: their names, with suggestions and completion."""

from typing import Any

import click
from click.shell_completion import CompletionItem
from opentep.boards.board import Board
from opentep.boards.catalogue import BOARDS
from opentep.host.fabric.core_section import core_section
from opentep.host.fabric.validate import suggest

from .output import print_json, print_table

__all__ = ["BoardName", "show_boards"]


class BoardName(click.ParamType):
    """Name of a board; gives the :class:`Board`."""

    name = "board"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Board:
        if isinstance(value, Board):
            return value
        if value not in BOARDS:
            self.fail(f"there is no board '{value}' ({suggest(value, list(BOARDS))})", param, ctx)
        return BOARDS[value]

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [
            CompletionItem(board.name, help=board.title)
            for board in BOARDS.values()
            if board.name.startswith(incomplete)
        ]


def show_boards(*, as_json: bool) -> None:
    """A table of all boards."""
    columns = ("name", "title", "device", "tenants", "macs", "packet_bytes")
    boards: list[dict[str, Any]] = [
        {
            "name": board.name,
            "title": board.title,
            "device": f"{(platform := board.platform()).device}-{platform.speed}",
            "tenants": board.params.tenants,
            "macs": board.params.macs,
            "packet_bytes": board.params.packet_bytes,
            "core": core_section(board.params.as_dict()),
        }
        for board in BOARDS.values()
    ]
    if as_json:
        print_json({"boards": boards})
    else:
        heads = ("name", "board", "device", "tenants", "MACs", "packet bytes")
        print_table(heads, [[board[name] for name in columns] for board in boards])
