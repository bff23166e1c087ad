"""Which addresses we may connect to, when it is strangers who name them."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from urllib.parse import SplitResult

from staffetta.net.resolver import Resolver

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052 §2.1
_ANY_PORT = 9
_HTTPS_PORT = 443


def problem_of_address(text: str, is_ours: Callable[[str], bool]) -> str | None:
    """Say why an address from the DNS is not one to connect to; None: it is.

    A stranger's MX record that leads to loopback or a private network would make us a tool against our own side
    (RFC 1918 §3; the registries of RFC 6890 §2). IPv4 within IPv6 is looked at as what it is.
    """
    address = _unwrapped(ipaddress.ip_address(text))
    for is_it, name in (
        (address.is_loopback, "loopback"),
        (address.is_link_local, "link-local"),
        (address.is_multicast, "multicast"),
        (address.is_unspecified, "unspecified"),
        (address.is_private, "private"),
        (not address.is_global, "not a public address"),
    ):
        if is_it:
            return name
    return "ours" if is_ours(text) else None


class NoPublicAddress(ValueError):
    """A host that a stranger named has no address that we connect to."""


async def pinned(url: SplitResult, resolver: Resolver, *, allows_private: bool = False) -> tuple[str, dict[str, str]]:
    """Return a stranger's https address with an IP address as its host, and what goes with it: `Host`.

    What was looked at is so what is connected to; the certificate is to be the host's, by `sni_hostname`.
    Raises NoPublicAddress, LookupFailed, ValueError of a port that is none.
    """
    host = url.hostname or ""
    answers = await asyncio.gather(resolver.a(host), resolver.aaaa(host))
    for address in (address for answer in answers for address in answer.records):
        if allows_private or problem_of_address(address, is_own_address) is None:
            shown = f"[{address}]" if ":" in address else address
            return url._replace(netloc=f"{shown}:{url.port or _HTTPS_PORT}").geturl(), {"Host": url.netloc}
    raise NoPublicAddress(f"{host} has no public address")


def is_own_address(text: str) -> bool:
    """Whether this machine has the address: packets to it then come from it. Nothing is sent."""
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((text, _ANY_PORT))
            return bool(probe.getsockname()[0] == text)
    except OSError:  # no way there: it is not here
        return False


def can_connect_from(text: str) -> bool:
    """Whether connections may leave from this address, which all of 127.0.0.0/8 is on Linux. False for no address."""
    try:
        address = ipaddress.ip_address(text)
        if address.is_unspecified or address.is_multicast:
            return False
        with socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_STREAM) as tried:
            tried.bind((text, 0))
    except (OSError, ValueError):
        return False
    return True


def _unwrapped(address: IPAddress) -> IPAddress:
    if isinstance(address, ipaddress.IPv6Address):
        if inner := address.ipv4_mapped or address.sixtofour:
            return inner
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address.teredo:
            return address.teredo[1]
    return address
