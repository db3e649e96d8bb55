"""How long a fleet of agents takes to follow, and what that costs their store."""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from opentep.gateware.params import Params
from opentep.host.agent.report import Report, reports
from opentep.host.controller import Repository
from opentep.host.controller.objects import Key
from opentep.host.fabric.large import large_document
from opentep.host.fabric.source import read_source
from opentep.host.store import open_store
from prometheus_client.parser import text_string_to_metric_families

from ..signals import terminable
from .agents import running
from .etcd import Etcd

__all__ = ["Fleet", "FleetError", "measure_fleet"]

_CORE = {"macs": 512, "tenants": 64, "lists": 128, "members": 512, "teps": 128, "rules": 16}
"""Of each TEP, with room for the VMs of its tenants."""
_TENANTS_PER_TEP = 2
_VMS_PER_TENANT = 10
_COUNT_SECONDS = 30.0
"""Between two times that an agent tells what its TEP counts. Six times what agents do by themselves: here a thousand of
them share a machine."""
_CHANGED = 0.01
"""Of all VMs."""
_PATIENCE_SECONDS = 1800.0
_LOOK_SECONDS = 0.25


class FleetError(Exception):
    """Agents did not follow."""


@dataclass(frozen=True)
class Fleet:
    """What was measured with so many TEPs."""

    teps: int
    vms: int
    start_seconds: float
    """From the start of the processes until all TEPs held their tables."""
    changed: int
    """VMs that went to another rack, in one transaction."""
    concerned: int
    """TEPs whose tables that changed."""
    store_seconds: float
    """The transaction, with its checks."""
    median_seconds: float
    """From its beginning until half of them held it, by what agents say."""
    last_seconds: float
    """And until all of them did."""
    change_requests: int
    """That etcd answered meanwhile, without those of this measurement."""
    change_cpu: float
    """Seconds of etcd's processor time meanwhile."""
    idle_requests: float
    """Per second, while nothing changes: what agents tell of themselves."""
    idle_cpu: float
    """etcd's share of one core meanwhile, 0 to 1."""
    etcd_mebibytes: int
    """Size of its process at the end."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class _Load:
    """What etcd has done so far."""

    time: float
    requests: float
    cpu: float
    octets: float

    @classmethod
    def of(cls, etcd: Etcd) -> "_Load":
        families = text_string_to_metric_families(etcd.metrics())
        samples = [sample for family in families for sample in family.samples]

        def total(name: str) -> float:
            return sum(sample.value for sample in samples if sample.name == name)

        return cls(
            time.monotonic(),
            total("grpc_server_handled_total"),
            total("process_cpu_seconds_total"),
            total("process_resident_memory_bytes"),
        )


class _Measurement:
    def __init__(self, etcd: Etcd, teps: int, tell: Callable[[str], None]):
        self._etcd = etcd
        self._teps = teps
        self._tell = tell
        self._vms = teps * _TENANTS_PER_TEP * _VMS_PER_TENANT
        self._location = f"{etcd.location}/fleet{teps}"
        self._store = open_store(self._location)
        self._repository = Repository(self._store, "bench")
        self._looks = 0

    def close(self) -> None:
        self._store.close()

    def run(self, idle_seconds: float) -> Fleet:
        self._tell(f"{self._teps} TEPs: storing {self._vms} VMs")
        text = large_document(self._teps, self._teps * _TENANTS_PER_TEP, self._vms, core=_CORE)
        self._repository.replace("import", read_source(text, "fleet.yaml"))
        names = [key.name for key in self._repository.objects("teps")]
        self._tell(f"{self._teps} TEPs: starting their agents")
        begun = time.monotonic()
        with running(self._location, names, Params(**_CORE), _COUNT_SECONDS):
            self._settle(names, self._repository.revision)
            started = time.monotonic() - begun
            self._tell(f"{self._teps} TEPs: looking on for {idle_seconds:.0f} s")
            before = _Load.of(self._etcd)
            time.sleep(idle_seconds)
            idle = _Load.of(self._etcd)
            self._tell(f"{self._teps} TEPs: moving VMs")
            moved, concerned = self._moves()
            at = time.time()
            self._repository.edit("move", lambda _: moved)
            stored = time.time() - at
            self._looks = 0
            told = self._settle(concerned, self._repository.revision)
            after = _Load.of(self._etcd)
        times = sorted(datetime.fromisoformat(report.time).timestamp() - at for report in told)
        passed = idle.time - before.time
        return Fleet(
            teps=self._teps,
            vms=self._vms,
            start_seconds=started,
            changed=len(moved),
            concerned=len(concerned),
            store_seconds=stored,
            median_seconds=statistics.median(times),
            last_seconds=times[-1],
            change_requests=round(after.requests - idle.requests) - self._looks,
            change_cpu=after.cpu - idle.cpu,
            idle_requests=(idle.requests - before.requests) / passed,
            idle_cpu=(idle.cpu - before.cpu) / passed,
            etcd_mebibytes=round(after.octets / 2**20),
        )

    def _settle(self, teps: list[str], revision: int) -> list[Report]:
        """Wait until ``teps`` hold what the store says; the last words of their agents."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while True:
            said = reports(self._repository)
            self._looks += 1
            told = [said[tep] for tep in teps if tep in said and said[tep].revision >= revision]
            if len(told) == len(teps):
                return told
            if time.monotonic() > end:
                missing = [tep for tep in teps if tep not in {report.tep for report in told}]
                last = said.get(missing[0])
                raise FleetError(f"{len(missing)} TEPs did not follow, such as {missing[0]}: {last}")
            time.sleep(_LOOK_SECONDS)

    def _moves(self) -> tuple[dict[Key, Any], list[str]]:
        """Every hundredth VM at the next rack, and the TEPs that have its tenant."""
        vms = {key: stored.spec for key, stored in self._repository.objects("vms").items()}
        step = round(1 / _CHANGED)
        moved = {}
        for number in range(0, self._vms, step):
            key = Key("vms", f"vm{number}")
            rack = int(vms[key]["vswitch"].removeprefix("vswitch"))
            moved[key] = {**vms[key], "vswitch": f"vswitch{(rack + 1) % self._teps}"}
        tenants = {spec["tenant"] for spec in moved.values()}
        places = [spec for spec in (*vms.values(), *moved.values()) if spec["tenant"] in tenants]
        return moved, sorted({spec["vswitch"].replace("vswitch", "rack") for spec in places})


def measure_fleet(
    teps: int, *, idle_seconds: float = 30.0, tell: Callable[[str], None] = lambda _: None
) -> Fleet:
    """With ``teps`` TEPs, 20 VMs on each, in an etcd that is started for it and ends with it. ``tell``: what is next.

    Raises :class:`~.etcd.EtcdError` and :class:`FleetError`.
    """
    with terminable(), tempfile.TemporaryDirectory(prefix="opentep-fleet-") as folder:
        etcd = Etcd(Path(folder))
        try:
            etcd.start()
            measurement = _Measurement(etcd, teps, tell)
            try:
                return measurement.run(idle_seconds)
            finally:
                measurement.close()
        finally:
            etcd.kill()
