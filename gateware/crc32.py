"""CRC-32 (IEEE 802.3, 3.2.9), sent lowest octet first: the FCS of Ethernet, and the check of the host link."""

from amaranth.lib.crc import Processor, catalog

__all__ = ["CRC_OCTETS", "crc32_processor"]

CRC_OCTETS = 4


def crc32_processor(width: int = 8) -> Processor:
    """Takes ``width`` bits per clock, the first octet lowest. ``match_detected`` holds one clock after the CRC of an
    intact frame."""
    return catalog.CRC32_ISO_HDLC(data_width=width).create()
