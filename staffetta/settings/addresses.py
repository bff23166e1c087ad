"""IP address lists as an administrator writes them: an address, CIDR of any length, or a range `a-b`; IPv4 and IPv6."""

import ipaddress
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@lru_cache(maxsize=16384)
def networks(text: str) -> tuple[Network, ...]:
    """Return the networks that together are the entry; IPv4-mapped IPv6 comes out as IPv4.

    `192.0.2.1/25` is the network that the address is in, as in Exchange. Raises ValueError, whose text says what is
    wrong; leading zeros and zone ids are refused.
    """
    if "%" in text:
        raise ValueError(f"{text} has a zone id, which means nothing on another machine")
    first, dash, last = text.replace(" ", "").partition("-")
    if not dash:
        prefix = first.partition("/")[2]
        if prefix.startswith("0") and prefix != "0":  # also a host mask, such as /0.0.0.255
            raise ValueError(f"{text}: write the length of the prefix in decimal, without leading zeros")
        return (_unmapped(ipaddress.ip_network(first, strict=False)),)
    start, end = ipaddress.ip_address(first), ipaddress.ip_address(last)
    if start.version != end.version or int(start) > int(end):
        raise ValueError(f"the range {text} does not go from a lower to a higher address of one kind")
    return tuple(_unmapped(network) for network in ipaddress.summarize_address_range(start, end))


def host_bits(text: str) -> Network | None:
    """Return the network that an entry such as `192.0.2.1/25` means; None where the entry is what it means."""
    address, slash, _ = text.replace(" ", "").partition("/")
    (network, *_) = networks(text)
    (given,) = networks(address) if slash else (network,)
    return None if given.network_address == network.network_address else network


def is_public(text: str) -> bool:
    """Whether this is no IP address, or one that the whole Internet can reach."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return True
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_global and not address.is_multicast


def _unmapped(network: Network) -> Network:
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < 96:
        return network
    return ipaddress.IPv4Network((int(mapped), network.prefixlen - 96))
