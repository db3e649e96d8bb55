"""Storm control: what a tenant may send of frames that go to many."""

from collections.abc import Iterable

from opentep.host.tables import Storm, Tenant

__all__ = ["StormControl"]

_TICKS_PER_SECOND = 4096
_FRAME = 4096
"""Parts of a frame, so that every rate in frames per second is a whole number of parts per tick."""


class _Bucket:
    def __init__(self, limit: Storm):
        self.limit = limit
        self.room = limit.burst * _FRAME
        self.tokens = self.room
        """In parts of a frame."""


class StormControl:
    """One token bucket per tenant with a limit, full at first. All get their tokens at the same instants, a number of
    times per second."""

    def __init__(self, tenants: Iterable[Tenant]):
        self._buckets = {
            tenant.index: _Bucket(tenant.storm) for tenant in tenants if tenant.storm is not None
        }
        self._ticks = 0

    def advance(self, time: int) -> None:
        """Let time pass until ``time``, in nanoseconds."""
        ticks = time * _TICKS_PER_SECOND // 1_000_000_000
        for bucket in self._buckets.values():
            gained = (ticks - self._ticks) * bucket.limit.rate
            bucket.tokens = min(bucket.room, bucket.tokens + gained)
        self._ticks = ticks

    def take(self, tenant: int) -> bool:
        """Whether a frame of the tenant with this index may go to many: it takes a token."""
        bucket = self._buckets.get(tenant)
        if bucket is None:
            return True
        if bucket.tokens < _FRAME:
            return False
        bucket.tokens -= _FRAME
        return True
