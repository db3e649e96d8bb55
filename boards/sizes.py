"""Table sizes by device: as much as its block RAMs hold beside packet memory."""

from ..gateware.params import Params

__all__ = ["SIZES_25F", "SIZES_45F", "SIZES_85F"]

SIZES_25F = Params(stash=1, counted_teps=0)
SIZES_45F = Params(
    tenants=2048,
    macs=4096,
    teps=256,
    rules=512,
    lists=2048,
    members=1024,
    packet_bytes=32768,
    counted_teps=128,
)
SIZES_85F = Params(
    tenants=4096,
    macs=16384,
    teps=256,
    rules=512,
    lists=4096,
    members=2048,
    packet_bytes=32768,
    counted_teps=256,
)
