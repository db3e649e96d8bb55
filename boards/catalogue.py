"""All boards."""

from .board import Board
from .butterstick import BUTTERSTICK
from .colorlight import COLORLIGHT_5A_75B, COLORLIGHT_5A_75B_R8
from .ecpix5 import ECPIX5_45, ECPIX5_85
from .logicbone import LOGICBONE
from .versa import VERSA_ECP5, VERSA_ECP5_5G

__all__ = ["BOARDS"]

BOARDS: dict[str, Board] = {
    board.name: board
    for board in (
        COLORLIGHT_5A_75B,
        COLORLIGHT_5A_75B_R8,
        VERSA_ECP5,
        VERSA_ECP5_5G,
        ECPIX5_45,
        ECPIX5_85,
        BUTTERSTICK,
        LOGICBONE,
    )
}
"""By name."""
