"""Which OUIs can identify a tenant, and why others cannot."""

import ipaddress
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentep.host.fabric.addresses import (
    aai_ouis,
    format_mac,
    group_mac,
    parse_host,
    parse_mac,
    parse_oui,
    refusal,
)


@pytest.mark.parametrize(
    ("oui", "reason"),
    [
        ("01:00:5e", "IPv4 multicast"),
        ("33:33:00", "IPv6 multicast"),
        ("33:33:ff", "IPv6 multicast"),
        ("13:00:01", "I/G"),
        ("00:00:00", "null"),
        ("ff:ff:ff", "broadcast"),
        ("52:54:00", "QEMU"),
        ("fa:16:3e", "OpenStack"),
        ("02:42:00", "Docker"),
        ("02:42:ac", "Docker"),
        ("fe:00:00", "libvirt"),
        ("fe:12:34", "libvirt"),
        ("32:33:00", "33:33"),
        ("32:33:aa", "33:33"),
        ("16:00:01", "reserved by IEEE 802c"),
        ("1e:00:01", "SAI"),
        ("00:1b:21", "U/L"),
    ],
)
def test_refused(oui: str, reason: str) -> None:
    found = refusal(parse_oui(oui))
    assert found is not None and reason in found


@pytest.mark.parametrize(
    "oui", ["12:00:01", "02:00:00", "1a:00:01", "f2:ff:ff", "52:54:01", "fa:16:3f", "32:34:00"]
)
def test_accepted(oui: str) -> None:
    assert refusal(parse_oui(oui)) is None


def test_owned() -> None:
    assert refusal(parse_oui("00:1b:21"), owned=True) is None
    assert refusal(parse_oui("00:00:00"), owned=True) is not None
    assert refusal(parse_oui("00:00:5e"), owned=True) is not None


def test_automatic_ouis_are_in_the_quadrant_and_distinct() -> None:
    ouis = list(aai_ouis())
    assert len(set(ouis)) == len(ouis)
    # Of 2^20, one is of QEMU, 256 each are of Docker and become 33:33.
    assert len(ouis) == (1 << 20) - 1 - 256 - 256
    assert {oui >> 16 & 0xF for oui in ouis} == {2}


def test_automatic_ouis_start_anywhere() -> None:
    (first,) = itertools.islice(aai_ouis((1 << 20) - 1), 1)
    assert first == parse_oui("f2:ff:ff")


@pytest.mark.parametrize(
    ("text", "mac"),
    [
        ("239.129.2.3", "01:00:5e:01:02:03"),
        ("ff05::1:3", "33:33:00:01:00:03"),
        ("01-00-5E-01-02-03", "01:00:5e:01:02:03"),
    ],
)
def test_group_addresses(text: str, mac: str) -> None:
    assert format_mac(group_mac(text)) == mac


@pytest.mark.parametrize(
    "text", ["10.0.0.1", "ff:ff:ff:ff:ff:ff", "02:00:00:00:00:01", "01:80:c2:00:00:0f", "x"]
)
def test_no_group_addresses(text: str) -> None:
    with pytest.raises(ValueError):
        group_mac(text)


def test_mac_text() -> None:
    assert format_mac(parse_mac("0A-0b-0C-00-00-01")) == "0a:0b:0c:00:00:01"
    with pytest.raises(ValueError):
        parse_mac("1:2:3:4:5:6")


@given(
    st.one_of(st.ip_addresses().map(str), st.text("0123456789.:af", max_size=12)),
    st.one_of(st.just(""), st.text("0123456789.٣", max_size=4).map("/{}".format), st.just("/255.255.0.0")),
)
def test_hosts_are_those_of_the_standard_library(address: str, length: str) -> None:
    def parse(function) -> object:
        try:
            return function(address + length)
        except ValueError:
            return None

    assert parse(parse_host) == parse(lambda text: ipaddress.ip_interface(text).ip)
