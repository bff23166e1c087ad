"""Where a probe arrives, and how one looks there: a Maildir, a mailbox by IMAP, the trace of another Staffetta.

Rule 1: only what has this probe's mark is read, reported, or tidied up.
Rule 2: a place that cannot be looked at now may be so a moment later: NotSeen, with the reason, is no end.
Rule 3: a password goes over TLS, or to this machine.
"""

import asyncio
import contextlib
import email
import imaplib
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.policy import compat32
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import httpx2

from staffetta.net.https import https_client
from staffetta.probing.plan import MARK, Marked, Plan
from staffetta.settings.probes import Expect

_READ_OCTETS = 256 * 1024  # of a file; the header section stands at its beginning
_SECONDS = 15.0
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class NotSeen(Exception):
    """The place cannot be looked at. The text says why."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """at: seconds since 1970. where: in words. header: of the message, where it could be read."""

    at: float
    where: str
    header: str = ""


class Place(Protocol):
    """Somewhere that a probe may arrive."""

    async def look(self) -> Arrival | None:
        """Return the arrival; None where there is none yet. Raises NotSeen."""


@asynccontextmanager
async def place_of(plan: Plan, probe: Marked) -> AsyncIterator[Place | None]:
    """Open the place where this probe arrives; None where nothing is looked for beyond the trace."""
    match plan.expect:
        case Expect.MAILDIR:
            yield MaildirPlace(Path(plan.location), probe.token, keeps=plan.keeps)
        case Expect.IMAP:
            mailbox = ImapPlace(plan.location, plan.password, probe.token, keeps=plan.keeps)
            try:
                yield mailbox
            finally:
                await asyncio.to_thread(mailbox.close)
        case Expect.STAFFETTA:
            async with https_client(connect_seconds=_SECONDS, reply_seconds=_SECONDS) as client:
                yield StaffettaPlace(plan.location, plan.password, probe.message_id, client)
        case _:
            yield None


@dataclass(slots=True)
class MaildirPlace:
    """folder: a Maildir, with `new` and `cur`."""

    folder: Path
    token: str
    keeps: bool = False
    _seen: set[str] = field(default_factory=set)

    async def look(self) -> Arrival | None:
        return await asyncio.to_thread(self._look)

    def _look(self) -> Arrival | None:
        for name in ("new", "cur"):
            try:
                files = [path for path in (self.folder / name).iterdir() if path.name not in self._seen]
            except FileNotFoundError:
                continue  # made with its first message
            except OSError as error:
                raise NotSeen(f"{self.folder / name}: {error.strerror}") from None
            for path in files:
                if found := self._read(path):
                    return found
        return None

    def _read(self, path: Path) -> Arrival | None:
        try:
            with path.open("rb") as file:
                octets = file.read(_READ_OCTETS)
            at = path.stat().st_mtime
        except OSError:  # another program has moved it
            return None
        self._seen.add(path.name)
        header = _header(octets)
        if not _has_mark(header, self.token):
            return None
        if not self.keeps:
            path.unlink(missing_ok=True)
        return Arrival(at, f"Maildir {self.folder}", header)


@dataclass(slots=True)
class ImapPlace:
    """url: `imaps://USER@HOST[:PORT]/FOLDER`; `imap://` is STARTTLS where that is offered (RFC 3501)."""

    url: str
    password: str = field(repr=False)
    token: str = ""
    keeps: bool = False
    _connection: imaplib.IMAP4 | None = None

    async def look(self) -> Arrival | None:
        try:
            return await asyncio.to_thread(self._look)
        except (imaplib.IMAP4.error, OSError, ssl.SSLError) as error:
            await asyncio.to_thread(self.close)
            raise NotSeen(f"{self._shown}: {_words(error)}") from None

    def close(self) -> None:
        """Say good-bye."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(imaplib.IMAP4.error, OSError):
                connection.logout()

    @property
    def _shown(self) -> str:
        url = urlsplit(self.url)
        return f"{url.scheme}://{url.hostname}{url.path}"

    def _look(self) -> Arrival | None:
        """Raises imaplib.IMAP4.error, OSError."""
        connection = self._connection = self._connection or self._open()
        connection.noop()
        _, found = connection.uid("SEARCH", "HEADER", MARK, self.token)
        numbers = (found[0] or b"").split() if found else []
        if not numbers:
            return None
        uid = numbers[-1].decode()
        _, parts = connection.uid("FETCH", uid, "(BODY.PEEK[HEADER])")
        header = next((_header(part[1]) for part in parts if isinstance(part, tuple)), "")
        if not _has_mark(header, self.token):
            return None
        if not self.keeps:
            connection.uid("STORE", uid, "+FLAGS.SILENT", r"(\Deleted)")
            _, offered = connection.capability()  # after the login there are more
            if b"UIDPLUS" in offered[0].upper():  # RFC 4315 §2.1; a plain EXPUNGE would take others along
                connection.uid("EXPUNGE", uid)
        return Arrival(time.time(), self._shown, header)

    def _open(self) -> imaplib.IMAP4:
        url = urlsplit(self.url)
        host, folder = url.hostname or "", unquote(url.path.strip("/")) or "INBOX"
        context = ssl.create_default_context()
        connection: imaplib.IMAP4
        if url.scheme == "imaps":
            connection = imaplib.IMAP4_SSL(host, url.port or 993, ssl_context=context, timeout=_SECONDS)
        else:
            connection = imaplib.IMAP4(host, url.port or 143, timeout=_SECONDS)
            if "STARTTLS" in connection.capabilities and host not in _LOOPBACK:
                connection.starttls(context)
            elif host not in _LOOPBACK:
                raise OSError("it offers no STARTTLS, and a password does not travel in clear; write imaps://")
        connection.login(unquote(url.username or ""), self.password)
        status, answer = connection.select(f'"{folder}"')
        if status != "OK":
            raise OSError(f"the folder {folder} cannot be opened: {answer}")
        return connection


@dataclass(slots=True)
class StaffettaPlace:
    """Another relay of ours, by its API: the message's trace there says Delivered. password: an API token."""

    url: str
    token: str = field(repr=False)
    message_id: str = ""
    client: httpx2.AsyncClient | None = None

    async def look(self) -> Arrival | None:
        assert self.client is not None
        try:
            answer = await self.client.get(
                f"{self.url.rstrip('/')}/api/message-trace-v2",
                params={"MessageId": self.message_id},
                headers={"Authorization": f"Bearer {self.token}"},
            )
            if answer.status_code in (401, 403):
                raise NotSeen(f"{self.url} does not let the token see message traces ({answer.status_code})")
            answer.raise_for_status()
            rows = answer.json()["value"]
        except (httpx2.HTTPError, ValueError, KeyError) as error:
            raise NotSeen(f"{self.url}: {_words(error)}") from None
        for row in rows if isinstance(rows, list) else ():
            if row.get("Status") == "Delivered":
                received = datetime.fromisoformat(str(row["Received"])).timestamp()
                return Arrival(received, f"the trace of {self.url}: {row['Status']} to {row.get('RecipientAddress')}")
        return None


def _header(octets: bytes) -> str:
    return octets.replace(b"\r\n", b"\n").partition(b"\n\n")[0].decode("utf-8", "replace")


def _has_mark(header: str, token: str) -> bool:
    return str(email.message_from_string(header, policy=compat32)[MARK] or "").strip() == token


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
