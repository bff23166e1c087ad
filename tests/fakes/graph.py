"""Microsoft Graph's mail, as far as sending goes: its limits, its error bodies, its throttling, its upload sessions.

What its documents leave open is as its users have found it: recipients are header fields, a To without an address is
refused, an `@` in the name shown of From is taken for another sender, 202 may come with Retry-After.
"""

import base64
import binascii
import json
import re
import secrets
import uuid
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any
from urllib.parse import unquote

from tests.fakes.entra import GRAPH, TokenEndpoint
from tests.fakes.web import Answer, Fault, Request, Web

REQUEST_OCTETS_MAX = 4_194_304
PUT_OCTETS_MAX = 4_194_304
RECIPIENTS_MAX = 500
CONCURRENT_MAX = 4  # requests to one mailbox

ERRORS: Mapping[str, tuple[int, str]] = {
    "InvalidAuthenticationToken": (401, "Lifetime validation failed, the token is expired."),
    "ErrorAccessDenied": (403, "Access is denied. Check credentials and try again."),
    "ErrorSendAsDenied": (
        403,
        "The user account does not have the right to send mail on behalf of the specified sending account.",
    ),
    "ErrorInvalidUser": (404, "The requested user is invalid."),
    "MailboxNotEnabledForRESTAPI": (404, "The mailbox is either inactive, soft-deleted, or is hosted on-premise."),
    "ErrorItemNotFound": (404, "The specified object was not found in the store."),
    "ErrorInvalidRecipients": (
        400,
        "At least one recipient is not valid., A message can't be sent because it contains no recipients.",
    ),
    "ErrorMimeContentInvalidBase64String": (400, "Invalid base64 string for MIME content."),
    "ErrorExceededRecipientLimit": (400, "The message has too many recipients."),
    "RequestEntityTooLarge": (413, "The request body is too large."),
    "ErrorMessageSizeExceeded": (413, "The message exceeds the maximum supported size."),
    "ErrorMessageSubmissionBlocked": (400, "Cannot send mail. Follow the instructions in your Inbox to verify."),
    "ApplicationThrottled": (429, "Application is over its MailboxConcurrency limit."),
    "ErrorServerBusy": (503, "The server is busy."),
    "ErrorMailboxMoveInProgress": (503, "Mailbox move in progress."),
    "ErrorInternalServerError": (500, "An internal server error occurred. The operation failed."),
    "UnknownError": (504, ""),
}


@dataclass
class Sent:
    """mailbox: that sent. recipients: who got it. message: as it left, without Bcc."""

    mailbox: str
    recipients: list[str]
    message: EmailMessage


@dataclass
class _Draft:
    mailbox: str
    mime: bytes
    files: list[tuple[Mapping[str, Any], bytearray]] = field(default_factory=list)


@dataclass
class Graph:
    """See the head of this file.

    mailboxes: that there are; send_as: for each, whose addresses it may send as besides its own.
    next: what is answered instead to the next requests, oldest first: a code of ERRORS, an Answer, or a Fault.
    lost: faults in place of the next good answers to requests that send; what they ask for is done all the same.
    retry_after_seconds: beside 429 and 503.
    """

    tokens: TokenEndpoint
    mailboxes: set[str] = field(default_factory=lambda: {"ada@contoso.com", "scanner@contoso.com"})
    send_as: Mapping[str, set[str]] = field(default_factory=dict)
    message_octets_max: int = 36_700_160
    retry_after_seconds: int = 30
    next: deque[str | Answer | Fault] = field(default_factory=deque)
    lost: deque[Fault] = field(default_factory=deque)
    sent: list[Sent] = field(default_factory=list)
    before: Callable[[Request], Awaitable[None]] | None = None

    def __post_init__(self) -> None:
        self.web = Web(self._answer)
        self.drafts: dict[str, _Draft] = {}
        self._uploads: dict[str, tuple[Mapping[str, Any], bytearray]] = {}
        self._under_way: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return f"{self.web.url}/v1.0"

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Graph"]:
        async with self.web.listening():
            yield self

    async def _answer(self, request: Request) -> Answer | Fault:
        if self.before is not None:
            await self.before(request)
        if self.next:
            instead = self.next.popleft()
            return self.error(instead) if isinstance(instead, str) else instead
        if request.path.startswith("/upload/"):
            return self._put(request)
        match = re.fullmatch(r"/v1\.0/users/([^/]+)(/.*)", request.path)
        if match is None:
            return self.error("ErrorItemNotFound")
        mailbox, path = unquote(match[1]).lower(), match[2]
        claims = self.tokens.claims(request.headers.get("authorization", "").removeprefix("Bearer "), GRAPH)
        if claims is None:
            return self.error("InvalidAuthenticationToken")
        permission = "Mail.Send" if path == "/sendMail" or path.endswith("/send") else "Mail.ReadWrite"
        if permission not in (*claims.get("roles", ()), *claims.get("scp", "").split()):
            return self.error("ErrorAccessDenied")
        if mailbox not in self.mailboxes:
            return self.error("ErrorInvalidUser")
        if len(request.body) > REQUEST_OCTETS_MAX:
            return self.error("RequestEntityTooLarge")
        if self._under_way[mailbox] >= CONCURRENT_MAX:
            return self.error("ApplicationThrottled")
        self._under_way[mailbox] += 1
        try:
            return self._mail(mailbox, path, request)
        finally:
            self._under_way[mailbox] -= 1

    def _mail(self, mailbox: str, path: str, request: Request) -> Answer | Fault:
        if path == "/sendMail":
            mime = _mime(request)
            return self.error("ErrorMimeContentInvalidBase64String") if mime is None else self._submit(mailbox, mime)
        if path == "/messages" and request.method == "POST":
            return self._draft(mailbox, request)
        match = re.fullmatch(r"/messages/([^/]+)(/.*)?", path)
        draft = self.drafts.get(unquote(match[1])) if match else None
        if match is None or draft is None or draft.mailbox != mailbox:
            return self.error("ErrorItemNotFound")
        if request.method == "DELETE":
            del self.drafts[unquote(match[1])]
            return self._good(204)
        if match[2] == "/attachments/createUploadSession":
            return self._begin_upload(draft, request)
        if match[2] == "/send":
            if any(item["size"] != len(octets) for item, octets in draft.files):
                return self.error("ErrorItemNotFound")
            answer = self._submit(mailbox, _whole(draft))
            if isinstance(answer, Fault) or answer.status == 202:
                del self.drafts[unquote(match[1])]
            return answer
        return self.error("ErrorItemNotFound")

    def _submit(self, mailbox: str, mime: bytes) -> Answer | Fault:
        if len(mime) > self.message_octets_max:
            return self.error("ErrorMessageSizeExceeded")
        message = message_from_bytes(mime, policy=SMTP)
        assert isinstance(message, EmailMessage)
        author = str(message.get("From", mailbox))
        shown, _, rest = author.rpartition("<")
        address = rest.rstrip("> ").lower() if "<" in author else author.strip().lower()
        if "@" in shown or (address != mailbox and address not in self.send_as.get(mailbox, ())):
            return self.error("ErrorSendAsDenied")
        recipients: list[str] = []
        for name in ("To", "Cc", "Bcc"):
            for value in message.get_all(name, []):
                found = [each.addr_spec for each in value.addresses]
                if not found:
                    return self.error("ErrorInvalidRecipients")
                recipients += found
        if not recipients:
            return self.error("ErrorInvalidRecipients")
        if len(recipients) > RECIPIENTS_MAX:
            return self.error("ErrorExceededRecipientLimit")
        del message["Bcc"]
        self.sent.append(Sent(mailbox, recipients, message))
        return self.lost.popleft() if self.lost else self._good(202)

    def _draft(self, mailbox: str, request: Request) -> Answer:
        mime = _mime(request)
        if mime is None:
            return self.error("ErrorMimeContentInvalidBase64String")
        number = f"AAMk{secrets.token_urlsafe(16)}="
        self.drafts[number] = _Draft(mailbox, mime)
        return self._good(201, {"id": number, "isDraft": True})

    def _begin_upload(self, draft: _Draft, request: Request) -> Answer:
        item = json.loads(request.body)["AttachmentItem"]
        token = secrets.token_urlsafe(16)
        self._uploads[token] = (item, bytearray())
        draft.files.append(self._uploads[token])
        return self._good(201, {"uploadUrl": f"{self.web.url}/upload/{token}", "nextExpectedRanges": ["0-"]})

    def _put(self, request: Request) -> Answer:
        known = self._uploads.get(request.path.removeprefix("/upload/"))
        if known is None or "authorization" in request.headers:
            return self.error("InvalidAuthenticationToken")
        item, octets = known
        expected = f"bytes {len(octets)}-{len(octets) + len(request.body) - 1}/{item['size']}"
        if request.headers.get("content-range") != expected or len(request.body) > PUT_OCTETS_MAX:
            return self.error("ErrorItemNotFound")
        octets += request.body
        if len(octets) < item["size"]:
            return self._good(200, {"nextExpectedRanges": [f"{len(octets)}-"]})
        return self._good(201)

    def _good(self, status: int, said: Mapping[str, Any] | None = None) -> Answer:
        body = b"" if said is None else json.dumps(said).encode()
        return Answer(status, body, {"Content-Type": "application/json", "request-id": str(uuid.uuid4())})

    def error(self, code: str) -> Answer:
        status, message = ERRORS[code]
        request_id = str(uuid.uuid4())
        inner = {"request-id": request_id, "client-request-id": request_id}
        headers = {"request-id": request_id}
        if status in (429, 503):
            headers["Retry-After"] = str(self.retry_after_seconds)
        body = {"error": {"code": code, "message": message, "innerError": inner}}
        return Answer(status, json.dumps(body).encode(), {"Content-Type": "application/json", **headers})


def _mime(request: Request) -> bytes | None:
    if request.headers.get("content-type") != "text/plain":
        return None
    try:
        return base64.b64decode(request.body, validate=True)
    except binascii.Error:
        return None


def _whole(draft: _Draft) -> bytes:
    """The draft with its attachments, as Exchange puts it together."""
    message = message_from_bytes(draft.mime, policy=SMTP)
    assert isinstance(message, EmailMessage)
    for item, octets in draft.files:
        main, _, sub = item["contentType"].partition("/")
        inline = {"disposition": "inline", "cid": f"<{item['contentId']}>"} if item.get("isInline") else {}
        message.add_attachment(bytes(octets), main, sub, filename=item["name"], **inline)
    return message.as_bytes()
