"""What the gateware must know about the device it is built for."""

from dataclasses import dataclass
from typing import Any

__all__ = ["Ecp5Target", "is_ecp5"]


@dataclass(frozen=True)
class Ecp5Target:
    """Stands in for a board's platform when a core alone is synthesised for ECP5, without pins.

    Pass it to ``Fragment.get(design, platform=Ecp5Target())`` or
    ``verilog.convert(design, platform=Ecp5Target())``.
    """

    device: str = "LFE5U-25F"

    def __post_init__(self) -> None:
        if not self.device.startswith(("LFE5", "LAE5")):
            raise ValueError(f"device must be an ECP5 (LFE5..., LAE5...), not {self.device!r}")


def is_ecp5(platform: Any) -> bool:
    """Whether ``platform``, as given to ``elaborate``, is an ECP5.

    Any object with a ``device`` that begins with LFE5 or LAE5 is: a board of amaranth-boards or an
    :class:`Ecp5Target`. None (simulation) is not.
    """
    return str(getattr(platform, "device", "")).startswith(("LFE5", "LAE5"))
