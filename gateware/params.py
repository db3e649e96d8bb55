"""Everything about a TEP core that is fixed when it is built."""

from dataclasses import asdict, dataclass, fields

from amaranth.utils import ceil_log2

from .storm.limit import CLOCKS_PER_TICK, TICKS_PER_SECOND

__all__ = ["CELL_BYTES", "MIN_FRAME", "Params"]

CELL_BYTES = 128
"""Unit of packet memory. One cell holds every header that an edit may touch, so that edits never walk links."""

MIN_FRAME = 60
"""Shortest Ethernet frame without FCS (IEEE 802.3, 3.2.8); the wire pads to it."""


_MAY_BE_NONE = ("counted_teps", "counted_tenants", "storm_tenants", "known_addresses")


def _power_of_two(value: int) -> bool:
    return value > 0 and value & (value - 1) == 0


@dataclass(frozen=True)
class Params:
    """Build parameters of one TEP core.

    The same object configures the gateware, tells the host the register map, and is read back from the
    identification registers of a running TEP. Access ports are numbered first, fabric ports follow.
    """

    width: int = 32
    """Datapath width in bits: 32, 64, 128, 256 or 512."""
    access_ports: int = 1
    fabric_ports: int = 1
    tenants: int = 1024
    """Tenants present on this TEP."""
    macs: int = 2048
    """Slots of the MAC table: four ways of a quarter each."""
    teps: int = 128
    """Remote TEPs."""
    rules: int = 256
    """Rules that let one tenant send to another."""
    lists: int = 1024
    """Replica lists (one per flooded tenant or group)."""
    members: int = 1024
    """Replica list members in all, per port."""
    packet_bytes: int = 16384
    """Packet memory in bytes."""
    queue_depth: int = 256
    """Descriptors per egress queue."""
    stash: int = 4
    """Entries of the stash CAM beside each cuckoo table."""
    tenant_choices: int = 2
    """Buckets that a tenant's key may be in: 2 or 3."""
    tenant_slots: int = 2
    """Slots of each: 2 or 4. The table has two places per tenant with 2 buckets of 2 slots; with more of either it can
    be filled to the brim, and has one."""
    max_frame: int = 9216
    """Longest frame accepted from a MAC, in bytes without FCS."""
    clock_hz: int = 125_000_000
    """Frequency of the core clock: the unit of ageing and of the host link's baud rate."""
    mailbox_bytes: int = 2048
    """Memory between host and TEP: three quarters for punted frames, a quarter for one to inject."""
    counted_teps: int = 128
    """Remote TEPs with counters of their own, those of the lowest indices; 0 for none."""
    counted_tenants: int = 0
    """Tenants with counters of their own, likewise."""
    storm_tenants: int = 0
    """Tenants whose group frames and floods can have a limit, likewise."""
    known_addresses: int = 0
    """Slots for IP addresses of VMs that requests are answered for (ARP and ND suppression); 0 for none."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or (value < 1 and field.name not in _MAY_BE_NONE):
                raise ValueError(f"{field.name} must be a positive integer, not {value!r}")
        if self.width not in (32, 64, 128, 256, 512):
            raise ValueError(f"width must be 32, 64, 128, 256 or 512, not {self.width}")
        if self.ports > 16:
            raise ValueError(f"at most 16 ports in all, not {self.ports}")
        if self.tenant_choices not in (2, 3):
            raise ValueError(f"tenant_choices must be 2 or 3, not {self.tenant_choices}")
        if self.tenant_slots not in (2, 4):
            raise ValueError(f"tenant_slots must be 2 or 4, not {self.tenant_slots}")
        for name, low, high in (
            ("tenants", 16, 4096),
            ("macs", 64, 65536),
            ("teps", 16, 4096),
            ("rules", 16, 4096),
            ("lists", 16, 4096),
            ("members", 16, 4096),
            ("packet_bytes", 2048, 1 << 22),
            ("queue_depth", 16, 4096),
            ("stash", 1, 16),
            ("mailbox_bytes", 2048, 65536),
        ):
            value = getattr(self, name)
            if not _power_of_two(value) or not low <= value <= high:
                raise ValueError(f"{name} must be a power of two from {low} to {high}, not {value}")
        for name in _MAY_BE_NONE:
            value = getattr(self, name)
            if value and (not _power_of_two(value) or not 16 <= value <= 4096):
                raise ValueError(f"{name} must be 0 or a power of two from 16 to 4096, not {value}")
        if self.cells < 2 * self.ports:  # each keeps one in reserve
            least = 2 * self.ports * CELL_BYTES
            raise ValueError(f"packet_bytes must be at least {least} with {self.ports} ports")
        if self.storm_tenants * CLOCKS_PER_TICK * TICKS_PER_SECOND > self.clock_hz:
            most = self.clock_hz // (CLOCKS_PER_TICK * TICKS_PER_SECOND)
            raise ValueError(f"clock_hz allows for {most} storm_tenants, not {self.storm_tenants}")
        if not 1518 <= self.max_frame <= 16383:
            raise ValueError(f"max_frame must be from 1518 to 16383 bytes, not {self.max_frame}")

    @property
    def ports(self) -> int:
        return self.access_ports + self.fabric_ports

    @property
    def has_ways(self) -> bool:
        """Whether remote TEPs may be reached on several fabric ports."""
        return self.fabric_ports > 1

    @property
    def suppresses(self) -> bool:
        """Whether requests for addresses of VMs may be answered."""
        return self.known_addresses > 0

    @property
    def readers(self) -> int:
        """Who takes frames out of packet memory: the ports, then the host."""
        return self.ports + 1

    def is_fabric(self, port: int) -> bool:
        """Whether ``port`` faces the underlay."""
        return port >= self.access_ports

    @property
    def word_bytes(self) -> int:
        return self.width // 8

    @property
    def mailbox_rows(self) -> int:
        """Words of the datapath in the mailbox."""
        return self.mailbox_bytes // self.word_bytes

    @property
    def inject_rows(self) -> int:
        """Room for the frame to inject, behind the ring."""
        return self.mailbox_rows // 4

    @property
    def ring_rows(self) -> int:
        """Room for punted frames."""
        return self.mailbox_rows - self.inject_rows

    @property
    def cells(self) -> int:
        return self.packet_bytes // CELL_BYTES

    @property
    def cell_words(self) -> int:
        return CELL_BYTES // self.word_bytes

    @property
    def cell_bits(self) -> int:
        """Width of a cell index."""
        return ceil_log2(self.cells)

    @property
    def tenant_bits(self) -> int:
        """Width of a tenant index."""
        return ceil_log2(self.tenants)

    @property
    def tep_counters(self) -> int:
        """How many remote TEPs have counters."""
        return min(self.counted_teps, self.teps)

    @property
    def tenant_counters(self) -> int:
        """How many tenants have counters."""
        return min(self.counted_tenants, self.tenants)

    @property
    def limited_tenants(self) -> int:
        """How many tenants can have a limit of storm control."""
        return min(self.storm_tenants, self.tenants)

    def as_dict(self) -> dict[str, int]:
        return asdict(self)
