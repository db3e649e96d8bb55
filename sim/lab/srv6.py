"""A site without opentep: the stock Linux kernel as tunnel end point (RFC 8986 End.DX2 and H.Encaps.L2.Red)."""

from .namespace import Namespace

__all__ = ["connect_vm"]


def connect_vm(
    site: Namespace,
    *,
    fabric: str,
    device: str,
    sid: str,
    source: str,
    far_mac: str,
    far_address: str,
    far_tep: str,
) -> None:
    """Tunnel between the VM behind ``device`` of ``site`` and one far VM.

    The kernel encapsulates frames that it routes: ``device`` therefore bears the far VM's MAC address, so that
    the kernel takes the VM's frames and the inner destination MAC is right. ARP does not cross it.
    """
    site.sysctl(
        "net.ipv6.conf.all.forwarding=1",
        "net.ipv4.ip_forward=1",
        "net.ipv6.conf.all.seg6_enabled=1",
        f"net.ipv6.conf.{fabric}.seg6_enabled=1",
        "net.ipv4.conf.all.rp_filter=0",
        f"net.ipv4.conf.{device}.rp_filter=0",
    )
    site.bring_up(device, mac=far_mac)
    site.run("ip", "sr", "tunsrc", "set", source)
    site.ip(f"-6 route add {sid} encap seg6local action End.DX2 oif {device} dev {fabric}")
    site.ip(f"route add {far_address}/32 encap seg6 mode l2encap.red segs {far_tep} dev {fabric}")
