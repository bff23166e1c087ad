"""The capture host: plays "the outside" where a relay is tried out. Takes everything, keeps it in a Maildir, says so.

Not for production: it knows no policy, and nothing is synced, so that what it keeps may be lost with the power.
"""

import asyncio
import itertools
import os
import socket
import time
from pathlib import Path
from typing import BinaryIO, cast

import structlog

from staffetta.mail.envelope import Recipient
from staffetta.mail.received import clauses, received_field, with_keyword
from staffetta.settings.model import Limits
from staffetta.smtp import reply
from staffetta.smtp.events import Closing, ContentEnd, ContentPart, ContentStart, Event, Mail, Rcpt, Reset, Want
from staffetta.smtp.server import ServerSession

_log = structlog.get_logger()
_sequence = itertools.count(1)


class CaptureHost:
    """Listens, and keeps each message as one file in `<folder>/new/`.

    folder: made when it is not there. hostname: what the greeting says.
    """

    def __init__(self, folder: Path, hostname: str, limits: Limits) -> None:
        self.folder = folder
        self.hostname = hostname
        self.limits = limits
        self.connections: set[asyncio.BaseTransport] = set()
        self._server: asyncio.Server | None = None

    async def start(self, listening: socket.socket) -> None:
        """Take connections from a bound socket. Raises OSError where the folder cannot be made."""
        for part in ("tmp", "new", "cur"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _CaptureConnection(self), sock=listening)

    @property
    def address(self) -> str:
        """`IP:port`, once started."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"{host}:{port}"

    def stop(self) -> None:
        """Close the listener and every connection."""
        if self._server is not None:
            self._server.close()
        for transport in list(self.connections):
            transport.close()


class _CaptureConnection(asyncio.Protocol):
    """One client: bytes in, events answered with yes, all replies of a turn in one write."""

    def __init__(self, host: CaptureHost) -> None:
        self._host = host
        self._reverse_path = ""
        self._recipients: list[Recipient] = []
        self._file: BinaryIO | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports are not asyncio's subclasses
        self._peer: str = transport.get_extra_info("peername")[0]
        self._local: str = transport.get_extra_info("sockname")[0]
        self._host.connections.add(transport)
        self._session = ServerSession(
            hostname=self._host.hostname,
            client_address=self._peer,
            limits=self._host.limits,
            is_tls_offered=False,
            is_dsn_offered=False,  # it sends no notifications, so that the relay before it reports "relayed"
            session_id=f"capture-{next(_sequence)}",
            postmaster_domain=self._host.hostname,
        )
        self._session.greet()
        self._transport.write(self._session.outgoing())

    def connection_lost(self, error: Exception | None) -> None:
        self._host.connections.discard(self._transport)
        self._forget()

    def data_received(self, data: bytes) -> None:
        self._session.receive(data)
        while not isinstance(event := self._session.next_event(), Want):
            self._handle(event)
        if out := self._session.outgoing():
            self._transport.write(out)
        if event is Want.NOTHING:
            self._transport.close()

    def _handle(self, event: Event) -> None:
        match event:
            case Mail():
                self._reverse_path = str(event.reverse_path or "")
                self._session.answer(reply.SENDER_OK)
            case Rcpt():
                self._recipients.append(event.recipient)
                self._session.answer(reply.RECIPIENT_OK)
            case ContentStart():
                self._open()
                self._session.answer(reply.OK if event.is_chunked else reply.START_MAIL_INPUT)
            case ContentPart():
                assert self._file is not None
                self._file.write(event.octets)
            case ContentEnd():
                self._session.answer(self._keep(event))
            case Reset() | Closing():
                self._forget()

    def _open(self) -> None:
        """Start a file whose first lines tell the envelope, then who gave it to whom (RFC 5321 §4.4)."""
        name = f"{time.time():.6f}.{os.getpid()}-{next(_sequence)}.capture"
        self._file = (self._host.folder / "tmp" / name).open("xb")
        lines = [f"Return-Path: <{self._reverse_path}>"]
        lines += [f"X-Envelope-To: <{recipient.mailbox}>" for recipient in self._recipients]
        self._file.write("".join(f"{line}\r\n" for line in lines).encode() + self._received_field(name))

    def _received_field(self, queue_id: str) -> bytes:
        session = self._session
        written = clauses(
            helo=session.helo,
            peer=self._peer,
            hostname=self._host.hostname,
            local=self._local,
            protocol=with_keyword(is_esmtp=session.is_esmtp, is_tls=False, is_utf8=False),
            tls=None,
        )
        return received_field(written, queue_id, time.time())

    def _keep(self, end: ContentEnd) -> reply.Reply:
        if end.fault or self._file is None:
            self._forget()
            return reply.TRANSACTION_FAILED
        self._file.close()
        path = Path(self._file.name)
        path.rename(self._host.folder / "new" / path.name)
        recipients = " ".join(str(recipient.mailbox) for recipient in self._recipients)
        _log.info("captured", file=path.name, sender=self._reverse_path, recipients=recipients, size=end.size)
        self._file = None
        self._forget()
        return reply.OK

    def _forget(self) -> None:
        self._recipients = []
        if self._file is not None:
            self._file.close()
            Path(self._file.name).unlink(missing_ok=True)
            self._file = None
