"""Whom a call comes from, seen through the proxies that one trusts and no others."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


def peer_of(client: str, forwarded: Iterable[str], trusted: Sequence[Network]) -> str:
    """Return the caller's address: that of the connection or, when a trusted proxy made it, the right-most entry of
    X-Forwarded-For that is not a trusted proxy's. What stands left of it the caller may have written. Empty when the
    entry that counts is no address: nobody can be told by it."""
    address = _read(client)
    if address is None or not _is_among(address, trusted):
        return "" if address is None else str(address)
    for entry in reversed(",".join(forwarded).split(",")):
        if not entry.strip():
            continue
        address = _read(entry.strip())
        if address is None or not _is_among(address, trusted):
            break
    return "" if address is None else str(address)


def _read(entry: str) -> Address | None:
    """Return an address, also one with a port; an IPv4 address in IPv6 clothes is an IPv4 address."""
    bare = entry.partition("]")[0].removeprefix("[") if entry.startswith("[") else entry
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_among(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
