"""Which addresses are public."""

from __future__ import annotations

import pytest

from gingham.collect.addresses import is_public

PUBLIC = {
    "an ordinary address": "93.184.215.14",
    "beside private 10": "11.0.0.1",
    "beside private 172.16": "172.32.0.1",
    "beside private 172.16, below": "172.15.255.255",
    "beside private 192.168": "192.169.0.1",
    "beside carrier-grade NAT": "100.128.0.1",
    "beside link-local": "169.253.255.255",
    "beside benchmarking": "198.20.0.1",
    "the last before multicast": "223.255.255.255",
    "an IPv6 address": "2606:2800:21f:cb07:6820:80da:af6b:8b2c",
    "mapped public": "::ffff:93.184.215.14",
    "NAT64 of a public one": "64:ff9b::93.184.215.14",
    "6to4 of a public one": "2002:5db8:d70e::1",
    "ISATAP of a public one": "2606:2800:1::5efe:93.184.215.14",
}
PRIVATE = {
    "loopback": "127.0.0.1",
    "loopback, another": "127.8.8.8",
    "this network": "0.0.0.0",
    "this network, another": "0.1.2.3",
    "private 10": "10.0.0.1",
    "private 172.16": "172.16.0.1",
    "private 172.31": "172.31.255.255",
    "private 192.168": "192.168.1.1",
    "carrier-grade NAT": "100.64.0.1",
    "carrier-grade NAT, a cloud's metadata": "100.100.100.200",
    "link-local": "169.254.0.1",
    "metadata": "169.254.169.254",
    "metadata of containers": "169.254.170.2",
    "a cloud's own service": "168.63.129.16",
    "protocol assignments": "192.0.0.192",
    "documentation 1": "192.0.2.1",
    "documentation 2": "198.51.100.1",
    "documentation 3": "203.0.113.1",
    "6to4 relay": "192.88.99.1",
    "benchmarking": "198.18.0.1",
    "benchmarking, end": "198.19.255.255",
    "multicast": "224.0.0.1",
    "multicast, end": "239.255.255.255",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "IPv6 loopback": "::1",
    "IPv6 unspecified": "::",
    "IPv6 link-local": "fe80::1",
    "IPv6 link-local with a zone": "fe80::1%eth0",
    "IPv6 loopback with a zone": "::1%lo",
    "IPv6 site-local": "fec0::1",
    "IPv6 unique-local": "fd12:3456::1",
    "IPv6 unique-local, metadata": "fd00:ec2::254",
    "IPv6 multicast": "ff02::1",
    "IPv6 documentation": "2001:db8::1",
    "IPv6 documentation, new": "3fff::1",
    "IPv6 benchmarking": "2001:2::1",
    "ORCHID": "2001:20::1",
    "Teredo": "2001:0:5db8:d70e::1",
    "discard": "100::1",
    "mapped loopback": "::ffff:127.0.0.1",
    "mapped loopback in hex": "::ffff:7f00:1",
    "mapped private": "::ffff:10.0.0.1",
    "mapped metadata": "::ffff:169.254.169.254",
    "compatible loopback": "::127.0.0.1",
    "compatible public": "::93.184.215.14",
    "translated loopback": "::ffff:0:127.0.0.1",
    "NAT64 of loopback": "64:ff9b::127.0.0.1",
    "NAT64 of a private one": "64:ff9b::a00:1",
    "local NAT64": "64:ff9b:1::93.184.215.14",
    "local NAT64 of loopback": "64:ff9b:1::7f00:1",
    "6to4 of loopback": "2002:7f00:1::1",
    "6to4 of a private one": "2002:c0a8:101::1",
    "ISATAP of loopback": "2606:2800:1::5efe:127.0.0.1",
    "ISATAP of a private one, global": "2606:2800:1::200:5efe:10.0.0.1",
    "reserved IPv6": "4000::1",
    "a name": "localhost",
    "nothing": "",
    "a number": "2130706433",
    "too short": "127.1",
    "octal": "0177.0.0.1",
    "hexadecimal": "0x7f.0.0.1",
}


@pytest.mark.parametrize("address", [pytest.param(address, id=name) for name, address in PUBLIC.items()])
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", [pytest.param(address, id=name) for name, address in PRIVATE.items()])
def test_not_public(address: str) -> None:
    assert not is_public(address)
