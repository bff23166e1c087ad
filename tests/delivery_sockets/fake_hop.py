"""A next hop on a real socket that answers by a script, misbehaves where the script says so, and keeps what it got."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum


class Fault(Enum):
    """Instead of a reply."""

    SILENCE = "silence"
    CLOSE = "close"
    RESET = "reset"


Answer = bytes | Fault | None
"""A reply (line ends included), a fault, or None for what a good server would say."""

ALL_CAPABILITIES = ("PIPELINING", "SIZE 104857600", "8BITMIME", "SMTPUTF8", "DSN", "CHUNKING", "ENHANCEDSTATUSCODES")


@dataclass
class Message:
    mail: str
    recipients: list[str]
    content: bytes = b""


@dataclass
class FakeHop:
    """script(step, line) is asked before every reply. step: the verb, "CONNECT", or "CONTENT" after the last octet."""

    script: Callable[[str, str], Answer] = lambda step, line: None
    capabilities: Sequence[str] = ALL_CAPABILITIES
    is_lmtp: bool = False
    tls: ssl.SSLContext | None = None
    is_tls_implicit: bool = False
    port: int = 0
    path: str = ""
    connections: int = 0
    lines: list[str] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    mail_seen: asyncio.Event = field(default_factory=asyncio.Event)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator["FakeHop"]:
        if self.path:
            server = await asyncio.start_unix_server(self._serve, self.path, limit=1 << 20)
        else:
            implicit = self.tls if self.is_tls_implicit else None
            server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=1 << 20, ssl=implicit)
            self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await _Conversation(self, reader, writer).run()
        writer.close()
        self.closed.set()


class _Over(Exception):
    pass


class _Conversation:
    def __init__(self, hop: FakeHop, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.hop, self.reader, self.writer = hop, reader, writer
        self.message = Message("", [])
        self.capabilities = hop.capabilities

    async def run(self) -> None:
        with contextlib.suppress(_Over):
            await self.reply("CONNECT", "", b"220 hop.example ESMTP\r\n")
            while octets := await self.reader.readline():
                line = octets.decode().rstrip("\r\n")
                self.hop.lines.append(line)
                await self.command(line)

    async def command(self, line: str) -> None:
        verb = line.split(" ", 1)[0].upper()
        match verb:
            case "EHLO" | "LHLO":
                names = ["hop.example", *self.capabilities]
                lines = [f"250{'-' if i < len(names) - 1 else ' '}{name}\r\n" for i, name in enumerate(names)]
                await self.reply(verb, line, "".join(lines).encode())
            case "MAIL":
                self.message = Message(line, [])
                self.hop.mail_seen.set()
                await self.reply(verb, line, b"250 2.1.0 sender ok\r\n")
            case "RCPT":
                answer = await self.reply(verb, line, b"250 2.1.5 recipient ok\r\n")
                if answer.startswith(b"2"):
                    self.message.recipients.append(line)
            case "DATA":
                expected = b"354 go ahead\r\n" if self.message.recipients else b"503 5.5.1 no valid recipients\r\n"
                if (await self.reply(verb, line, expected)).startswith(b"354"):
                    self.message.content = await self.read_data()
                    await self.end_of_content()
            case "BDAT":
                self.message.content += await self.reader.readexactly(int(line.split()[1]))
                await self.end_of_content()
            case "STARTTLS":
                if (await self.reply(verb, line, b"220 2.0.0 go ahead\r\n")).startswith(b"2"):
                    assert self.hop.tls is not None
                    await self.writer.start_tls(self.hop.tls)
                    self.capabilities = [name for name in self.capabilities if name != "STARTTLS"]
            case "QUIT":
                await self.reply(verb, line, b"221 2.0.0 bye\r\n")
                raise _Over
            case _:
                await self.reply(verb, line, b"250 2.0.0 ok\r\n")

    async def read_data(self) -> bytes:
        lines = []
        while (line := await self.reader.readline()) != b".\r\n":
            if not line:
                raise _Over
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    async def end_of_content(self) -> None:
        count = len(self.message.recipients) if self.hop.is_lmtp else 1
        for number in range(count):
            line = self.message.recipients[number] if self.hop.is_lmtp else ""
            answer = await self.reply("CONTENT", line, b"250 2.0.0 queued as 42\r\n")
        if not self.hop.is_lmtp and answer.startswith(b"2"):
            self.hop.messages.append(self.message)
        if self.hop.is_lmtp:
            self.hop.messages.append(self.message)

    async def reply(self, step: str, line: str, usual: bytes) -> bytes:
        answer = self.hop.script(step, line)
        if answer is Fault.SILENCE:
            await self.reader.read()
            raise _Over
        if answer is Fault.CLOSE:
            raise _Over
        if answer is Fault.RESET:
            self.writer.transport.abort()
            raise _Over
        octets = usual if answer is None else answer
        assert isinstance(octets, bytes)
        self.writer.write(octets)
        await self.writer.drain()
        if octets.startswith(b"421"):
            raise _Over
        return octets
