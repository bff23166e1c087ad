"""Asking the DNS: a stub resolver with its cache (RFC 1035 §7; RFC 4035 §4.9 for what is authenticated).

Rule 1: four ends are told apart: records; none of this type (no records, the name exists); no such name; and
    LookupFailed, when nobody could say. The first three are an Answer and may be relied on, the last one is for later.
Rule 2: DNSSEC is not validated here: the AD bit of a validating resolver is taken, from loopback, where nobody can
    forge it on the way, or from others where the settings say so.
Rule 3: answers are kept for as long as their TTL allows, the negative ones too, and a bounded number of them.
Rule 4: names are whole: no search list is applied.
"""

import asyncio
import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.name
import dns.nameserver
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.reversename

Record = TypeVar("Record")

CACHED_MAX = 20_000  # answers, some hundred octets each
SYSTEM_SERVERS = Path("/etc/resolv.conf")
_TRY_SECONDS = 3.0  # per server; a lookup ends after the whole timeout
_PAYLOAD_OCTETS = 1232  # passes every network unfragmented; what is larger comes by TCP
_DNS_PORT = 53


@dataclass(frozen=True, slots=True)
class Mx:
    """host: lower case without the trailing dot; empty for the root, which makes a null MX (RFC 7505 §3)."""

    preference: int
    host: str


@dataclass(frozen=True, slots=True)
class Tlsa:
    """A TLSA record (RFC 6698 §2.1). data: a certificate, a public key, or a digest of either."""

    usage: int
    selector: int
    matching: int
    data: bytes

    def __str__(self) -> str:
        """ "3 1 1 ab12…", as in a zone file, shortened."""
        return f"{self.usage} {self.selector} {self.matching} {self.data.hex()[:16]}…"


@dataclass(frozen=True, slots=True)
class Answer(Generic[Record]):
    """What the DNS says of a name and type.

    records: empty where there are none. exists: whether there is such a name.
    is_authenticated: DNSSEC vouches for all of it, for the absence of records too (but not of the name).
    canonical: the name at the end of its aliases.
    """

    records: tuple[Record, ...]
    canonical: str
    is_authenticated: bool = False
    exists: bool = True


class LookupFailed(Exception):
    """Nobody could say: no answer in time, or the servers failed (a bogus signature is one reason). Try later.

    The text is for trace and log: "the DNS does not answer: TLSA of _25._tcp.mx.example.org: SERVFAIL from 127.0.0.1".
    """


class Resolver(Protocol):
    """What delivery asks of the DNS. Names: A-labels without a trailing dot. All raise LookupFailed."""

    async def mx(self, name: str) -> Answer[Mx]:
        """Mail exchangers, in no order."""

    async def a(self, name: str) -> Answer[str]:
        """IPv4 addresses."""

    async def aaaa(self, name: str) -> Answer[str]:
        """IPv6 addresses."""

    async def tlsa(self, name: str) -> Answer[Tlsa]:
        """TLSA records; name: such as `_25._tcp.mx.example.org`."""

    async def txt(self, name: str) -> Answer[str]:
        """Texts, the strings of each record joined."""

    async def ptr(self, address: str) -> Answer[str]:
        """Names of an IP address."""


class DnsResolver:
    """See the head of this file. Belongs to one event loop.

    servers: `IP` or `IP:port`, IPv6 with a port in brackets; empty: the system's, read again when its file changes.
    trusts_authenticated_data: whether the AD bit counts from servers beyond loopback.
    """

    def __init__(
        self,
        servers: Sequence[str] = (),
        *,
        timeout_seconds: float = 10.0,
        trusts_authenticated_data: bool = False,
        system_servers: Path = SYSTEM_SERVERS,
    ) -> None:
        self._servers = servers
        self._timeout_seconds = timeout_seconds
        self._trusts = trusts_authenticated_data
        self._system_servers = system_servers
        self._cache = dns.resolver.LRUCache(CACHED_MAX)
        self._made: tuple[int, dns.asyncresolver.Resolver] | None = None

    async def mx(self, name: str) -> Answer[Mx]:
        return await self._ask(name, "MX", lambda found: Mx(found.preference, _text(found.exchange)))

    async def a(self, name: str) -> Answer[str]:
        return await self._ask(name, "A", lambda found: str(found.address))

    async def aaaa(self, name: str) -> Answer[str]:
        return await self._ask(name, "AAAA", lambda found: str(found.address))

    async def tlsa(self, name: str) -> Answer[Tlsa]:
        return await self._ask(
            name, "TLSA", lambda found: Tlsa(found.usage, found.selector, found.mtype, bytes(found.cert))
        )

    async def txt(self, name: str) -> Answer[str]:
        return await self._ask(name, "TXT", lambda found: b"".join(found.strings).decode("utf-8", "replace"))

    async def ptr(self, address: str) -> Answer[str]:
        name = dns.reversename.from_address(address).to_text(omit_final_dot=True)
        return await self._ask(name, "PTR", lambda found: _text(found.target))

    async def _ask(self, name: str, kind: str, read: Callable[[Any], Record]) -> Answer[Record]:
        try:
            question = dns.name.from_text(name)
        except dns.exception.DNSException:  # a label too long for the DNS, or an empty one
            return Answer((), name, exists=False)
        try:
            # dnspython's bound follows the system's clock, which may be set meanwhile: hence one of the loop's.
            async with asyncio.timeout(self._timeout_seconds + _TRY_SECONDS):
                found = await self._resolver().resolve(question, kind, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN as error:
            return Answer((), _text(error.canonical_name), exists=False)
        except (dns.exception.DNSException, OSError) as error:
            raise LookupFailed(f"the DNS does not answer: {kind} of {name}: {_why(error)}") from None
        return Answer(
            tuple(read(record) for record in found.rrset or ()),
            _text(found.canonical_name),
            is_authenticated=bool(found.response.flags & dns.flags.AD) and self._is_believed(found.nameserver),
        )

    def _is_believed(self, server: str | None) -> bool:
        return self._trusts or (server is not None and ipaddress.ip_address(server.partition("%")[0]).is_loopback)

    def _resolver(self) -> dns.asyncresolver.Resolver:
        """The resolver for the servers of now. Raises dns.resolver.NoResolverConfiguration, OSError."""
        changed_at = 0 if self._servers else self._system_servers.stat().st_mtime_ns
        if self._made is None or self._made[0] != changed_at:
            self._made = (changed_at, self._make())
        return self._made[1]

    def _make(self) -> dns.asyncresolver.Resolver:
        made = dns.asyncresolver.Resolver(configure=False)
        if self._servers:
            made.nameservers = [dns.nameserver.Do53Nameserver(*server_address(server)) for server in self._servers]
        else:
            made.read_resolv_conf(str(self._system_servers))
        made.cache = self._cache
        made.timeout = min(_TRY_SECONDS, self._timeout_seconds)
        made.lifetime = self._timeout_seconds
        # RFC 6840 §5.7: AD in a question asks for AD in the answer, without the signatures that DO would bring.
        made.flags = dns.flags.RD | dns.flags.AD
        made.use_edns(0, 0, _PAYLOAD_OCTETS)
        return made


def server_address(text: str) -> tuple[str, int]:
    """Read `IP`, `IP:port` or `[IPv6]:port`. Raises ValueError."""
    try:
        return str(ipaddress.ip_address(text)), _DNS_PORT
    except ValueError:
        host, _, port = text.rpartition(":")
        address = ipaddress.ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
        if (address.version == 6) != host.startswith("[") or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(text) from None
        return str(address), int(port)


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower() if name != dns.name.root else ""


def _why(error: Exception) -> str:
    """In few words; where a server explains itself (RFC 8914 §4), its explanation."""
    if isinstance(error, dns.resolver.NoResolverConfiguration):
        return "no server is configured; write dns.servers, or name one in /etc/resolv.conf"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    errors = getattr(error, "kwargs", {}).get("errors") or ()
    told = [f"{_of_server(what, response)} from {server}" for server, _, _, what, response in errors]
    return ", ".join(dict.fromkeys(told)) or str(error) or type(error).__name__


def _of_server(what: object, response: Any) -> str:
    if isinstance(what, dns.exception.Timeout):
        return "no answer"
    explanations = [extended.to_text() for extended in response.extended_errors()] if response is not None else []
    return " ".join([str(what), *explanations])
