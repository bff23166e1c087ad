"""RelayIpList of IIS SMTP: addresses that may relay, as the octets of the metabase.

Little-endian words. Four offsets first (their top bit is set): addresses denied, addresses granted, names denied, names
granted. A list of addresses is the number of groups, the number of entries, and 20 octets for each group: family (2 is
IPv4), entries with the mask, octets of an address, nothing, and where the group lies. A group is a mask and addresses.
Known from scripts that write such lists; what does not have this form is not guessed at.
"""

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

_OFFSET = 0x7FFFFFFF
_IPV4 = 2
_GROUP_OCTETS, _ADDRESS_OCTETS = 20, 4


@dataclass(frozen=True, slots=True)
class RelayAddresses:
    """granted: may relay. denied: may not, and all others may."""

    granted: tuple[IPv4Network, ...]
    denied: tuple[IPv4Network, ...]


def relay_addresses(octets: bytes) -> RelayAddresses:
    """Return the lists. Raises ValueError where the octets have another form."""
    try:
        denied, granted, *_ = (word & _OFFSET for word in struct.unpack_from("<4I", octets))
        return RelayAddresses(tuple(_listed(octets, granted)), tuple(_listed(octets, denied)))
    except struct.error:
        raise ValueError("it ends too early") from None


def _listed(octets: bytes, at: int) -> list[IPv4Network]:
    groups, _ = struct.unpack_from("<2I", octets, at)
    if groups > len(octets):
        raise ValueError("it has another form")
    found = []
    for number in range(groups):
        family, entries, size, _, place = struct.unpack_from("<5I", octets, at + 8 + number * _GROUP_OCTETS)
        place &= _OFFSET
        if family != _IPV4 or size != _ADDRESS_OCTETS or not 0 < entries <= len(octets) or place < at:
            raise ValueError("it has another form")
        if place + entries * _ADDRESS_OCTETS > len(octets):
            raise ValueError("it ends too early")
        mask = IPv4Address(octets[place : place + 4])
        for index in range(1, entries):
            start = place + index * _ADDRESS_OCTETS
            address = IPv4Address(octets[start : start + 4])
            found.append(IPv4Network(f"{address}/{mask}", strict=False))
    return found
