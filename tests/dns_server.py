"""A DNS server on loopback that answers by a script, over UDP and TCP: for tests of who asks."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

SOA = "ns.test. root.test. 1 3600 600 86400 60"


@dataclass
class DnsServer:
    """zone: (name, type) to texts of records; a CNAME is followed within it.

    authenticated: names whose answers have the AD bit. broken: names and what is answered: an RCODE, or None: silence.
    is_truncated: every answer by UDP is cut. asked: questions so far, with how they came.
    forged: from an answer, octets that come by UDP before it, as of somebody who was faster. lied: what answers become.
    """

    zone: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    authenticated: set[str] = field(default_factory=set)
    broken: dict[str, int | None] = field(default_factory=dict)
    is_truncated: bool = False
    forged: Callable[[bytes], list[bytes]] = lambda answer: []
    lied: Callable[[bytes], bytes] = lambda answer: answer
    ttl: int = 300
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    clients: list[int] = field(default_factory=list)  # the ports that questions by UDP came from
    port: int = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def patience_seconds(self) -> float:
        """How long to wait for it: a moment for silence that is meant, and long for an answer of a busy machine."""
        return 1.0 if None in self.broken.values() else 10.0

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator["DnsServer"]:
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self._datagrams), ("127.0.0.1", self.port)
        )
        try:
            yield self
        finally:
            transport.close()
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                (size,) = struct.unpack("!H", await reader.readexactly(2))
                answer = self.answer(await reader.readexactly(size), "tcp")
                if answer is not None:
                    answer = self.lied(answer)
                    writer.write(struct.pack("!H", len(answer)) + answer)
        writer.close()

    def _datagrams(self, octets: bytes, client: tuple[str, int]) -> list[bytes]:
        self.clients.append(client[1])
        answer = self.answer(octets, "udp")
        return [] if answer is None else [*self.forged(answer), self.lied(answer)]

    def answer(self, octets: bytes, how: str) -> bytes | None:
        question = dns.message.from_wire(octets)
        asked = question.question[0]
        name, kind = asked.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(asked.rdtype)
        self.asked.append((name, kind, how))
        answer = dns.message.make_response(question, recursion_available=True)
        if name in self.broken:
            rcode = self.broken[name]
            if rcode is None:
                return None
            answer.set_rcode(dns.rcode.Rcode(rcode))
            return answer.to_wire()
        if name in self.authenticated:
            answer.flags |= dns.flags.AD
        if self.is_truncated and how == "udp":
            answer.flags |= dns.flags.TC
            return answer.to_wire()
        if not self._fill(answer, name, kind):
            answer.authority.append(dns.rrset.from_text("test.", self.ttl, "IN", "SOA", SOA))
        return answer.to_wire()

    def _fill(self, answer: dns.message.Message, name: str, kind: str) -> bool:
        followed = set()
        while (alias := self.zone.get((name, "CNAME"))) and name not in followed:
            followed.add(name)
            answer.answer.append(dns.rrset.from_text(f"{name}.", self.ttl, "IN", "CNAME", *alias))
            name = alias[0].rstrip(".")
        if records := self.zone.get((name, kind)):
            answer.answer.append(dns.rrset.from_text(f"{name}.", self.ttl, "IN", kind, *records))
            return True
        if not any(known == name or known.endswith(f".{name}") for known, _ in self.zone):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return False


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, answers: Callable[[bytes, tuple[str, int]], list[bytes]]) -> None:
        self._answers = answers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        for answer in self._answers(data, address):
            self._transport.sendto(answer, address)
