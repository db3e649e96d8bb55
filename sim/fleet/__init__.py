"""Many TEPs in memory, with a real agent each, at one real etcd."""

from .etcd import EtcdError
from .measure import Fleet, FleetError, measure_fleet

__all__ = ["EtcdError", "Fleet", "FleetError", "measure_fleet"]
