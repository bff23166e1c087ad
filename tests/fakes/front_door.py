"""Exchange Online's SMTP front door: port 25 with connectors, port 587 with AUTH; its words, its limits, its refusals.

Real SMTP on a real socket, TLS that takes any client certificate and looks at it afterwards. What it says is taken from
transcripts that people have published; where there are none (above 30 messages a minute) it is a
guess. It misbehaves where `script` says so.
"""

import asyncio
import base64
import binascii
import contextlib
import ipaddress
import re
import secrets
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import SMTP
from email.utils import format_datetime
from enum import Enum

from cryptography import x509
from cryptography.x509.oid import NameOID

from staffetta.net.tls import ServerContext, TlsFailure, TlsSession
from tests.fakes.entra import OUTLOOK, TokenEndpoint

SIZE_MAX = 157_286_400
CAPABILITIES = ("PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "8BITMIME", "BINARYMIME", "CHUNKING", "SMTPUTF8")


class Fault(Enum):
    """Instead of a reply. LOST: it does as asked, and closes without a word. DRIP: the reply, octet by octet."""

    SILENCE = "silence"
    CLOSE = "close"
    RESET = "reset"
    LOST = "lost"
    DRIP = "drip"


Script = Callable[[str, str], bytes | Fault | None]
"""(step, line) to a reply, a fault, or None for the usual. step: the verb, "CONNECT", or "CONTENT" after content."""


@dataclass
class Connector:
    """An inbound connector of type OnPremises: by addresses, or by the certificate's name."""

    addresses: Sequence[str] = ()
    certificate_name: str | None = None

    def matches(self, client: str, names: Sequence[str]) -> bool:
        if self.certificate_name is not None:
            wanted = self.certificate_name.removeprefix("*.")
            is_wide = wanted != self.certificate_name
            return any(name == wanted or (is_wide and name.endswith(f".{wanted}")) for name in names)
        return any(ipaddress.ip_address(client) in ipaddress.ip_network(text, strict=False) for text in self.addresses)


@dataclass
class Received:
    """A message that was answered with 250. login: who had logged in; None on port 25. names: of the certificate."""

    client: str
    login: str | None
    names: tuple[str, ...]
    mail: str
    recipients: list[str]
    content: bytes


@dataclass
class FrontDoor:
    """See the head of this file.

    tokens: whose tokens are taken; given, this is submission (587), else the MX endpoint (25).
    send_as: for each mailbox that may log in, whose addresses it may send as besides its own.
    passwords: of mailboxes for which AUTH LOGIN still works. authentication_off: "Tenant" or "Mailbox", as in the 535.
    known: mailboxes of accepted domains; None: every one.
    """

    certificate: ServerContext
    tokens: TokenEndpoint | None = None
    accepted_domains: Sequence[str] = ("contoso.com",)
    connectors: Sequence[Connector] = ()
    known: set[str] | None = None
    send_as: Mapping[str, set[str]] = field(default_factory=dict)
    passwords: Mapping[str, str] = field(default_factory=dict)
    authentication_off: str | None = None
    connections_per_mailbox_max: int = 3
    messages_per_minute_max: int = 30
    script: Script = lambda step, line: None
    host: str = "127.0.0.1"
    port: int = 0
    drip_seconds: float = 0.05
    now: Callable[[], float] = time.time
    name: str = "AM0PR01CA0001.outlook.office365.com"
    lines: list[str] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self.open_of: Counter[str] = Counter()
        self.sent_of: dict[str, deque[float]] = {}

    @property
    def is_submission(self) -> bool:
        return self.tokens is not None

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator["FrontDoor"]:
        server = await asyncio.start_server(self._serve, self.host, self.port, limit=1 << 20)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    def stamp(self) -> str:
        at = datetime.fromtimestamp(self.now(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        return f"[{self.name} {at}Z {secrets.token_hex(8).upper()}]"

    def is_too_fast(self, login: str) -> bool:
        """Whether this mailbox has had its messages of the last minute; counts one more where it has not."""
        sent, now = self.sent_of.setdefault(login, deque()), self.now()
        while sent and sent[0] <= now - 60:
            sent.popleft()
        if len(sent) >= self.messages_per_minute_max:
            return True
        sent.append(now)
        return False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        session = _Session(self, _Wire(reader, writer))
        with contextlib.suppress(OSError, EOFError, TlsFailure, _Over):
            await session.run()
        if session.login:
            self.open_of[session.login] -= 1
        writer.close()


class _Over(Exception):
    pass


class _Wire:
    """Lines and octets of a connection, in clear or in TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.tls: TlsSession | None = None
        self._plain = b""

    @property
    def client(self) -> str:
        return str(self.writer.get_extra_info("peername")[0])

    async def start_tls(self, context: ServerContext) -> None:
        self.tls = context.session(asks_for_certificate=True)
        self._plain = b""  # what came in clear before is worth nothing
        while not self.tls.is_established:
            await self._more()

    async def line(self) -> str:
        while b"\r\n" not in self._plain:
            await self._more()
        line, _, self._plain = self._plain.partition(b"\r\n")
        return line.decode("utf-8", "surrogateescape")

    async def exactly(self, count: int) -> bytes:
        while len(self._plain) < count:
            await self._more()
        octets, self._plain = self._plain[:count], self._plain[count:]
        return octets

    async def data(self) -> bytes:
        """Content up to the final dot, without its stuffing."""
        while not (self._plain.startswith(b".\r\n") or b"\r\n.\r\n" in self._plain):
            await self._more()
        if self._plain.startswith(b".\r\n"):
            self._plain = self._plain[3:]
            return b""
        content, _, self._plain = self._plain.partition(b"\r\n.\r\n")
        return re.sub(rb"^\.", b"", content + b"\r\n", flags=re.MULTILINE)

    async def write(self, octets: bytes) -> None:
        if self.tls is not None:
            self.tls.send(octets)
            octets = self.tls.outgoing()
        self.writer.write(octets)
        await self.writer.drain()

    async def _more(self) -> None:
        octets = await self.reader.read(65536)
        if not octets:
            raise EOFError
        if self.tls is not None:
            try:
                octets = self.tls.receive(octets)
            finally:
                self.writer.write(self.tls.outgoing())
        self._plain += octets


class _Session:
    def __init__(self, door: FrontDoor, wire: _Wire) -> None:
        self.door, self.wire = door, wire
        self.login: str | None = None
        self.names: tuple[str, ...] = ()
        self.mail: str | None = None
        self.recipients: list[str] = []
        self.content = b""

    async def run(self) -> None:
        at = format_datetime(datetime.fromtimestamp(self.door.now(), UTC))
        ready = f"Microsoft ESMTP MAIL Service ready at {at} [{secrets.token_hex(8).upper()}]"
        await self.say("CONNECT", "", f"220 {self.door.name} {ready}")
        while True:
            line = await self.wire.line()
            self.door.lines.append(line)
            verb = line.partition(" ")[0].upper()
            await getattr(self, f"on_{verb.lower()}", self.on_other)(line)

    async def say(self, step: str, line: str, usual: str) -> bool:
        """Say what the script wants, else the usual; return whether it was positive."""
        asked = self.door.script(step, line)
        octets = asked if isinstance(asked, bytes) else f"{usual}\r\n".encode()
        match asked:
            case Fault.SILENCE:
                while True:  # until the client gives up
                    await self.wire.exactly(1)
            case Fault.RESET:
                self.wire.writer.transport.abort()
                raise _Over
            case Fault.CLOSE | Fault.LOST:
                raise _Over
            case Fault.DRIP:
                for index in range(len(octets)):
                    await self.wire.write(octets[index : index + 1])
                    await asyncio.sleep(self.door.drip_seconds)
            case _:
                await self.wire.write(octets)
        if octets.startswith(b"421"):
            raise _Over
        return octets[:1] in b"23"

    async def on_ehlo(self, line: str) -> None:
        offers = [f"{self.door.name} Hello [{self.wire.client}]", f"SIZE {SIZE_MAX}", *CAPABILITIES[:3]]
        if self.wire.tls is None:
            offers.append("STARTTLS")
        elif self.door.is_submission:
            offers.append("AUTH LOGIN XOAUTH2")
        offers += CAPABILITIES[3:]
        text = "\r\n".join(f"250-{offer}" for offer in offers[:-1]) + f"\r\n250 {offers[-1]}"
        await self.say("EHLO", line, text)

    async def on_helo(self, line: str) -> None:
        await self.say("HELO", line, f"250 {self.door.name} Hello [{self.wire.client}]")

    async def on_starttls(self, line: str) -> None:
        if await self.say("STARTTLS", line, "220 2.0.0 SMTP server ready"):
            await self.wire.start_tls(self.door.certificate)
            assert self.wire.tls is not None
            self.names = _names(self.wire.tls.peer_certificates())

    async def on_auth(self, line: str) -> None:
        _, mechanism, *initial = line.split(" ")
        if self.wire.tls is None or not self.door.is_submission:
            await self.say("AUTH", line, "504 5.7.4 Unrecognized authentication type")
            return
        if mechanism.upper() == "XOAUTH2":
            login, refusal = self._check_token(initial[0] if initial else await self._challenge(""))
        else:
            user = initial[0] if initial else await self._challenge("Username:")
            login, refusal = self._check_password(user, await self._challenge("Password:"))
        off = self.door.authentication_off
        if off is not None:
            why = f"SmtpClientAuthentication is disabled for the {off}. Visit https://aka.ms/smtp_auth_disabled"
            refusal = f"535 5.7.139 Authentication unsuccessful, {why}"
        if refusal:
            await self.say("AUTH", line, f"{refusal} {self.door.stamp()}")
        elif await self.say("AUTH", line, "235 2.7.0 Authentication successful"):
            self.login = login
            self.door.open_of[login] += 1

    async def _challenge(self, text: str) -> str:
        await self.wire.write(b"334 " + base64.b64encode(text.encode()) + b"\r\n")
        return await self.wire.line()

    def _check_token(self, response: str) -> tuple[str, str]:
        """Return the login, and why not where it is refused."""
        assert self.door.tokens is not None
        match = re.fullmatch("user=([^\x01]*)\x01auth=Bearer ([^\x01]*)\x01\x01", _decoded(response))
        claims = self.door.tokens.claims(match[2], OUTLOOK) if match else None
        if match is None or claims is None:
            return "", "535 5.7.3 Authentication unsuccessful"
        login = match[1].lower()
        is_app = "SMTP.SendAsApp" in claims.get("roles", ())
        is_person = "SMTP.Send" in claims.get("scp", "").split() and claims.get("upn", "").lower() == login
        if not (is_app or is_person) or login not in self.door.send_as:
            return "", "535 5.7.3 Authentication unsuccessful"
        return login, ""

    def _check_password(self, user: str, password: str) -> tuple[str, str]:
        login = _decoded(user).lower()
        if login not in self.door.passwords:
            return "", "535 5.7.139 Authentication unsuccessful, basic authentication is disabled."
        return login, "" if self.door.passwords[login] == _decoded(
            password
        ) else "535 5.7.3 Authentication unsuccessful"

    async def on_mail(self, line: str) -> None:
        refusal = self._refuse_mail()
        if await self.say("MAIL", line, f"{refusal} {self.door.stamp()}" if refusal else "250 2.1.0 Sender OK"):
            self.mail, self.recipients, self.content = line, [], b""

    def _refuse_mail(self) -> str:
        if not self.door.is_submission:
            return ""
        if self.wire.tls is None:
            return "451 5.7.3 STARTTLS is required to send mail"
        if self.login is None:
            return "530 5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM"
        if self.door.open_of[self.login] > self.door.connections_per_mailbox_max:
            return "432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending."
        if self.door.is_too_fast(self.login):
            return f"451 4.7.500 Server busy. Please try again later from [{self.wire.client}]. (S77714)"
        return ""

    async def on_rcpt(self, line: str) -> None:
        refusal = self._refuse_recipient(_path(line))
        if await self.say("RCPT", line, f"{refusal} {self.door.stamp()}" if refusal else "250 2.1.5 Recipient OK"):
            self.recipients.append(_path(line))

    def _refuse_recipient(self, recipient: str) -> str:
        """The rule since November 2023: an accepted sender or certificate domain, and a connector that matches."""
        accepted = self.door.accepted_domains
        if self.door.is_submission:
            return ""
        if _domain(recipient) in accepted:
            is_known = self.door.known is None or recipient.lower() in self.door.known
            return "" if is_known else "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)"
        is_attributed = any(each.matches(self.wire.client, self.names) for each in self.door.connectors)
        is_ours = _domain(_path(self.mail or "")) in accepted or any(
            name in accepted or name.partition(".")[2] in accepted for name in self.names
        )
        return "" if is_attributed and is_ours else "550 5.7.64 TenantAttribution; Relay Access Denied"

    async def on_data(self, line: str) -> None:
        if not self.recipients:
            await self.say("DATA", line, "503 5.5.2 Need rcpt command")
        elif await self.say("DATA", line, "354 Start mail input; end with <CRLF>.<CRLF>"):
            self.content = await self.wire.data()
            await self._end_of_content(line)

    async def on_bdat(self, line: str) -> None:
        count = int(line.split()[1])
        self.content += await self.wire.exactly(count)
        if not self.recipients:
            await self.say("BDAT", line, "503 5.5.2 Need rcpt command")
        elif line.upper().endswith(" LAST"):
            await self._end_of_content(line)
        else:
            await self.say("BDAT", line, f"250 2.6.0 CHUNK received OK, {count} octets")

    async def _end_of_content(self, line: str) -> None:
        fields = message_from_bytes(self.content, policy=SMTP)
        refusal = self._refuse_content(fields["From"])
        number = secrets.randbits(40)
        taken = (
            f"250 2.6.0 {fields['Message-ID'] or '<none>'} [InternalId={number}, Hostname={self.door.name}] "
            f"{len(self.content)} bytes in 0.100, 1.000 KB/sec Queued mail for delivery"
        )
        asked = self.door.script("CONTENT", line)
        if isinstance(asked, bytes):
            is_taken = asked.startswith(b"2")
        else:
            is_taken = not refusal and asked in (None, Fault.LOST, Fault.DRIP)
        if is_taken:
            got = Received(
                self.wire.client, self.login, self.names, _path(self.mail or ""), self.recipients, self.content
            )
            self.door.received.append(got)
        self.mail, self.recipients, self.content = None, [], b""
        await self.say("CONTENT", line, f"{refusal} {self.door.stamp()}" if refusal else taken)

    def _refuse_content(self, author: object) -> str:
        if self.login is None or author is None:
            return ""
        addresses = [each.addr_spec.lower() for each in getattr(author, "addresses", ())]
        foreign = [each for each in addresses if each not in (self.login, *self.door.send_as[self.login])]
        if not foreign:
            return ""
        return (
            f"554 5.2.252 SendAsDenied; {self.login} not allowed to send as {foreign[0]}; "
            "STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied"
        )

    async def on_rset(self, line: str) -> None:
        self.mail, self.recipients, self.content = None, [], b""
        await self.say("RSET", line, "250 2.0.0 Resetting")

    async def on_noop(self, line: str) -> None:
        await self.say("NOOP", line, "250 2.0.0 OK")

    async def on_quit(self, line: str) -> None:
        await self.say("QUIT", line, "221 2.0.0 Service closing transmission channel")
        raise _Over

    async def on_other(self, line: str) -> None:
        await self.say(line.partition(" ")[0].upper(), line, "500 5.3.3 Unrecognized command")


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text).decode("utf-8", "replace")
    except binascii.Error:
        return ""


def _path(line: str) -> str:
    match = re.search("<([^>]*)>", line)
    return match[1] if match else ""


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()


def _names(chain: Sequence[bytes]) -> tuple[str, ...]:
    """Common name and alternative names of the leaf, in lower case."""
    if not chain:
        return ()
    leaf = x509.load_der_x509_certificate(chain[0])
    common = [str(each.value) for each in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        common += found.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        pass
    return tuple(dict.fromkeys(name.lower() for name in common))
