"""State and counters of TEPs for Prometheus."""

import threading
from collections.abc import Iterator
from typing import Any

from opentep.host.losses import losses
from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

__all__ = ["Metrics"]

_TRAFFIC = ("frames", "octets")


class Metrics(Collector):
    """Collects what agents tell, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: dict[str, tuple[int, str]] = {}
        self._counters: dict[str, dict[str, Any]] = {}

    def tell(self, tep: str, revision: int, error: str) -> None:
        """What a TEP holds, and what is wrong; then its counters are no longer known."""
        with self._lock:
            self._states[tep] = revision, error
            if error:
                self._counters.pop(tep, None)

    def count(self, tep: str, counters: dict[str, Any]) -> None:
        """In the form of :meth:`opentep.host.driver.Driver.counters`."""
        with self._lock:
            self._counters[tep] = counters

    def forget(self, tep: str) -> None:
        """When there is no such TEP any more."""
        with self._lock:
            self._states.pop(tep, None)
            self._counters.pop(tep, None)

    def serve(self, host: str, port: int) -> int:
        """At ``/metrics``, from a thread of its own; the port, if 0 was given. Raises ``OSError``."""
        registry = CollectorRegistry()
        registry.register(self)
        server, _ = start_http_server(port, host, registry)
        return server.server_port

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            states, counters = dict(self._states), dict(self._counters)
        up = GaugeMetricFamily("opentep_up", "1 if the TEP holds what it should.", labels=["tep"])
        revision = GaugeMetricFamily("opentep_revision", "Of the store, that the TEP holds.", labels=["tep"])
        for tep, (number, error) in states.items():
            up.add_metric([tep], 0 if error else 1)
            revision.add_metric([tep], number)
        yield up
        yield revision
        yield from _ports(counters)
        yield from _parties(counters, "teps", "remote", "opentep_tunnel", "Tunnelled {} by remote TEP.")
        yield from _parties(counters, "tenants", "tenant", "opentep_tenant", "{} of a tenant's VMs.")
        for kind, text in (
            ("mac", "Learned addresses"),
            ("punt", "Frames for the host"),
            ("suppression", "ARP and ND suppression"),
            ("too_big", "Packets too big for the underlay"),
        ):
            events = CounterMetricFamily(
                f"opentep_{kind}_events", f"{text}: what happened.", labels=["tep", "event"]
            )
            for tep, found in counters.items():
                for event, value in found[kind].items():
                    events.add_metric([tep, event], value)
            yield events


def _ports(counters: dict[str, dict[str, Any]]) -> Iterator[Metric]:
    for unit in _TRAFFIC:
        family = CounterMetricFamily(
            f"opentep_port_{unit}", f"{unit.capitalize()} of a port.", labels=["tep", "port", "direction"]
        )
        for tep, port, values in _each(counters, "ports"):
            for direction in ("rx", "tx"):
                family.add_metric([tep, port, direction], values[f"{direction}_{unit}"])
        yield family
    drops = CounterMetricFamily(
        "opentep_drops", "Frames dropped, by reason.", labels=["tep", "port", "reason"]
    )
    for tep, port, values in _each(counters, "ports"):
        for reason, value in losses(values).items():
            drops.add_metric([tep, port, reason], value)
    yield drops


def _parties(
    counters: dict[str, dict[str, Any]], kind: str, label: str, name: str, text: str
) -> Iterator[Metric]:
    for unit in _TRAFFIC:
        family = CounterMetricFamily(f"{name}_{unit}", text.format(unit), labels=["tep", label, "direction"])
        for tep, party, values in _each(counters, kind):
            for direction in ("rx", "tx"):
                family.add_metric([tep, party, direction], values[f"{direction}_{unit}"])
        yield family


def _each(counters: dict[str, dict[str, Any]], kind: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for tep, found in counters.items():
        for name, values in found[kind].items():
            yield tep, name, values
