"""The PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt): who a proxy speaks for.

Rule 1: a header is believed only from the sources that the listener names; the caller sees to that.
Rule 2: from such a source it is mandatory, so whatever else comes first is a ProxyError, and the connection is closed.
"""

import ipaddress
import struct
from dataclasses import dataclass
from functools import lru_cache

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_V1_START = b"PROXY "
_V1_OCTETS_MAX = 107  # the longest line that the specification allows, CRLF included
_V2_FIXED_OCTETS = 16
_V2_REST_OCTETS_MAX = (
    4096  # addresses take 36, or 216 for UNIX sockets; the rest is for TLVs such as a certificate's name
)
_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21


class ProxyError(ValueError):
    """This is not a PROXY header. Close the connection without a word."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """source, destination: of the client's connection; None where the proxy speaks for itself (health checks).

    octets: length of the header; what follows is the client's.
    """

    source: IPAddress | None
    destination: IPAddress | None
    octets: int


def parse(octets: bytes) -> ProxyHeader | None:
    """Return the header at the start of `octets`, or None when more of it must come. Raises ProxyError."""
    if octets.startswith(_SIGNATURE):
        return _parse_v2(octets)
    if octets.startswith(_V1_START):
        return _parse_v1(octets)
    if _SIGNATURE.startswith(octets) or _V1_START.startswith(octets):
        return None
    raise ProxyError("neither version of the PROXY protocol")


@lru_cache(maxsize=4096)  # the same clients come again and again, and to parse an address takes 5 µs
def plain_address(text: str) -> IPAddress:
    """Parse an IP address as the system prints it: without its zone, IPv4-mapped IPv6 as IPv4. Raises ValueError."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return (isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped) or address


def _parse_v1(octets: bytes) -> ProxyHeader | None:
    end = octets.find(b"\r\n", 0, _V1_OCTETS_MAX)
    if end < 0:
        if len(octets) >= _V1_OCTETS_MAX:
            raise ProxyError("the line of version 1 does not end")
        return None
    match octets[:end].decode("latin-1").split(" "):
        case ["PROXY", "UNKNOWN", *_]:
            return ProxyHeader(None, None, end + 2)
        case ["PROXY", "TCP4" | "TCP6" as family, source, destination, source_port, destination_port]:
            _check_port(source_port)
            _check_port(destination_port)
            return ProxyHeader(_address_v1(family, source), _address_v1(family, destination), end + 2)
    raise ProxyError("malformed line of version 1")


def _address_v1(family: str, text: str) -> IPAddress:
    try:
        address = ipaddress.IPv4Address(text) if family == "TCP4" else ipaddress.IPv6Address(text)
    except ValueError:
        raise ProxyError("not an address of its family") from None
    return plain_address(str(address))


def _check_port(text: str) -> None:
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise ProxyError("not a port")


def _parse_v2(octets: bytes) -> ProxyHeader | None:
    if len(octets) < _V2_FIXED_OCTETS:
        return None
    command, family, rest = struct.unpack_from("!BBH", octets, len(_SIGNATURE))
    if command not in (_LOCAL, _PROXY) or rest > _V2_REST_OCTETS_MAX:
        raise ProxyError("unknown version or command, or a header too long")
    end = _V2_FIXED_OCTETS + rest
    if len(octets) < end:
        return None
    if command == _LOCAL:
        return ProxyHeader(None, None, end)
    width = {_TCP4: 4, _TCP6: 16}.get(family)
    if width is None or rest < 2 * width + 4:
        raise ProxyError("not TCP over IPv4 or IPv6, or addresses cut short")
    source, destination = struct.unpack_from(f"!{width}s{width}s", octets, _V2_FIXED_OCTETS)
    return ProxyHeader(_address_v2(source), _address_v2(destination), end)


def _address_v2(packed: bytes) -> IPAddress:
    return plain_address(str(ipaddress.ip_address(packed)))
