"""A site without opentep: the stock Linux kernel with a bridge and a VXLAN device (RFC 7348)."""

from collections.abc import Iterable

from .namespace import Namespace

__all__ = ["connect_vm"]


def connect_vm(site: Namespace, *, device: str, network: int, source: str, peers: Iterable[str]) -> None:
    """Put the VM behind ``device`` of ``site`` into the virtual network ``network``, which reaches ``peers``.

    The kernel floods to all peers and learns who is behind which, as between kernels. It takes and sends UDP without
    checksum (RFC 6935).
    """
    bridge, tunnel = f"br{network}", f"vxlan{network}"
    site.ip(f"link add {bridge} type bridge")
    site.ip(
        f"link add {tunnel} type vxlan id {network} local {source} dstport 4789 udp6zerocsumtx udp6zerocsumrx"
    )
    for peer in peers:
        site.run("bridge", "fdb", "append", "00:00:00:00:00:00", "dev", tunnel, "dst", peer)
    for port in (tunnel, device):
        site.ip(f"link set {port} master {bridge}")
        site.bring_up(port)
    site.bring_up(bridge)
