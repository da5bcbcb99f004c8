"""Which addresses are those of the public internet, and which lead into this machine or a private network."""

from __future__ import annotations

import functools
import ipaddress

__all__ = ["is_public"]

_NOT_PUBLIC_4 = tuple(
    ipaddress.IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a cloud's service for its own machines, on an address that looks public
        "169.254.0.0/16",  # link-local, clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
_PUBLIC_6 = ipaddress.IPv6Network("2000::/3")
"""All that is assigned; outside lie loopback, unique-, link- and site-local, multicast, compatible, local NAT64."""

_NOT_PUBLIC_6 = tuple(
    ipaddress.IPv6Network(block)
    for block in (
        "2001::/23",  # protocol assignments: Teredo, benchmarking, ORCHID
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
    )
)
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)


@functools.lru_cache(maxsize=4096)
def is_public(address: str) -> bool:
    """Tell whether an address belongs to the public internet.

    An IPv6 address that carries an IPv4 address (mapped, NAT64, 6to4, ISATAP) is as public as that one. What cannot
    be read as an address is not public.

    Parameters
    ----------
    address : str
        As a socket names its peer; a zone id (``%eth0``) may follow.

    References
    ----------
    IANA, *IPv4 Special-Purpose Address Registry* and *IPv6 Special-Purpose Address Registry*.

    >>> is_public("93.184.215.14"), is_public("::ffff:127.0.0.1"), is_public("64:ff9b::a00:1")
    (True, False, False)
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        return not any(parsed in block for block in _NOT_PUBLIC_4)
    embedded = _embedded(parsed)
    if embedded is not None and not is_public(str(embedded)):
        return False
    if parsed.ipv4_mapped or parsed in _TRANSLATED:
        return True
    return parsed in _PUBLIC_6 and not any(parsed in block for block in _NOT_PUBLIC_6)


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address to which what is sent there goes in the end."""
    bits = int(address)
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour
    if address in _TRANSLATED or (bits >> 32) & 0xFFFF_FFFF in _ISATAP:
        return ipaddress.IPv4Address(bits & 0xFFFF_FFFF)
    return None
