"""The side of a TEP that the host hears and speaks through, where the TEP is only memory."""

from opentep.gateware.csr.codec import Codec
from opentep.gateware.hostport.format import PUNT_HEADER_BYTES, PuntHeader, Reason
from opentep.host.link.protocol import Write
from opentep.host.registers import RegisterAccess
from opentep.sim.fleet.memory_device import MemoryDevice

__all__ = ["HostPort"]

_HEADER = Codec(PuntHeader)


class HostPort:
    """Of ``device``. ``sent`` has frames that were injected, by port."""

    def __init__(self, device: MemoryDevice):
        self._device = device
        self._registers = RegisterAccess(device)
        self.sent: list[tuple[int, bytes]] = []
        device.after = self._inject

    def punt(self, port: int, frame: bytes, reason: Reason = Reason.TOO_BIG) -> bool:
        """Whether the host wants ``frame``, and then gets it, cut as it wants."""
        registers, params = self._registers, self._registers.params
        if not registers.read("punt.always") >> reason.value & 1:
            return False
        captured = frame[: registers.read("punt.snap")]
        header = {"length": len(frame), "captured": len(captured), "port": port, "reason": reason}
        header_octets = _HEADER.encode({**header, "time": {}}).to_bytes(PUNT_HEADER_BYTES, "little")
        at = registers.read("punt.produced")
        for octets in (header_octets, captured):
            for start in range(0, len(octets), params.word_bytes):
                word = int.from_bytes(octets[start : start + params.word_bytes], "little")
                registers.table("mailbox").write(at["row"], word)
                at["row"] += 1
                if at["row"] == params.ring_rows:
                    at = {"row": 0, "lap": 1 - at["lap"]}
        self._tell("punt.produced", at)
        return True

    def _inject(self, request: Write) -> None:
        if request.address != self._registers.memory_map["inject.command"].start:
            return
        registers, params = self._registers, self._registers.params
        command = registers.read("inject.command")
        rows = registers.table("mailbox").read_many(range(params.ring_rows, params.mailbox_rows))
        octets = b"".join(row.to_bytes(params.word_bytes, "little") for row in rows)
        self.sent.append((command["port"], octets[: command["length"]]))
        self._tell("inject.done", command["number"])

    def _tell(self, name: str, value: object) -> None:
        """Set a register that is read only for the host."""
        resource = self._registers.memory_map[name]
        words = Codec(resource.element.shape).to_words(value)
        self._device.words.update(enumerate(words, resource.start))
