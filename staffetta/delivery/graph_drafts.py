"""A message too large for one request to Graph: a draft without its large attachments, upload sessions, then "send".

Rule 1: until "send" nothing has been sent, and the draft is thrown away where it will not be.
Rule 2: of large content no more is in memory than the draft and one piece of an upload.
"""

import base64
import json
from collections.abc import Sequence
from urllib.parse import quote

import structlog

from staffetta.delivery.graph_outcomes import of_lost_answer
from staffetta.delivery.graph_requests import NoAnswer
from staffetta.delivery.graph_sending import MIME_OCTETS_MAX, Sending, Stopped, never
from staffetta.delivery.mime_attachments import Attachment, attachments, choose, skeleton, survey
from staffetta.delivery.mime_walk import ConversionError
from staffetta.delivery.oauth import TokenUnavailable
from staffetta.mail.content import Content
from staffetta.mail.outcome import Deferred, Failed, Outcome

UPLOAD_OCTETS = 10 * 320 * 1024  # of one PUT, which may have 4 MB
ATTACHMENT_OCTETS_MAX = 150 * 1024 * 1024  # learn.microsoft.com/graph/outlook-large-attachments

_log = structlog.get_logger()


async def send_in_pieces(sending: Sending, content: Content) -> Outcome:
    """Make a draft without large attachments, upload those, and send it. Raises Stopped, TokenUnavailable, OSError."""
    taken, body = await _split(content)
    draft = await _make_draft(sending, base64.b64encode(body))
    try:
        await _upload(sending, draft, content, taken)
        await sending.announce()
        answer = await sending.ask("POST", f"{draft}/send")
        outcome = sending.outcome(answer, is_sending=True)
    except NoAnswer as lost:
        outcome = of_lost_answer(lost, sending.host, is_sending=True)
    except (Stopped, TokenUnavailable, OSError):
        await _throw_away(sending, draft)
        raise
    if isinstance(outcome, Failed | Deferred):
        await _throw_away(sending, draft)
    return outcome


async def _split(content: Content) -> tuple[Sequence[Attachment], bytes]:
    """Return what travels apart, and the rest. Raises Stopped where that stays too large."""
    try:
        found = await survey(content)
        taken = choose(found, content.size, MIME_OCTETS_MAX)
        if taken is None:
            diagnostic = (
                f"{content.size} octets, of which too little are attachments that can be uploaded apart; "
                f"Graph takes {MIME_OCTETS_MAX} octets in one request. Another route, by SMTP, can carry it"
            )
            raise Stopped(never("5.3.4", diagnostic))
        if any(each.size > ATTACHMENT_OCTETS_MAX for each in taken):
            raise Stopped(never("5.3.4", f"an attachment is larger than {ATTACHMENT_OCTETS_MAX} octets"))
        return sorted(taken, key=lambda each: each.number), await skeleton(content, found, taken)
    except ConversionError as error:
        raise Stopped(never("5.6.0", f"it is too large for one request, and cannot be taken apart: {error}")) from None


async def _make_draft(sending: Sending, body: bytes) -> str:
    """Return the address of a new draft."""
    url = f"{sending.mailbox_url}/messages"
    answer = await sending.prepare(url, body, "text/plain")
    return f"{url}/{quote(str(answer.said.get('id', '')), safe='')}"


async def _upload(sending: Sending, draft: str, content: Content, taken: Sequence[Attachment]) -> None:
    by_number = {each.number: each for each in taken}
    under_way: _Upload | None = None
    async for number, octets in attachments(content, taken):
        if under_way is None or under_way.attachment.number != number:
            if under_way is not None:
                await under_way.end()
            under_way = await _begin_upload(sending, draft, by_number[number])
        await under_way.add(octets)
    if under_way is not None:
        await under_way.end()


async def _begin_upload(sending: Sending, draft: str, attachment: Attachment) -> "_Upload":
    item: dict[str, object] = {
        "attachmentType": "file",
        "name": attachment.name,
        "size": attachment.size,
        "contentType": attachment.content_type,
    }
    if attachment.is_inline:
        item |= {"isInline": True, "contentId": attachment.content_id}
    body = json.dumps({"AttachmentItem": item}).encode()
    answer = await sending.prepare(f"{draft}/attachments/createUploadSession", body, "application/json")
    return _Upload(sending, attachment, str(answer.said.get("uploadUrl", "")))


class _Upload:
    """One upload session. Its address proves who we are, so that no token goes there."""

    def __init__(self, sending: Sending, attachment: Attachment, url: str) -> None:
        self._sending = sending
        self.attachment = attachment
        self._url = url
        self._at = 0
        self._held = bytearray()

    async def add(self, octets: bytes) -> None:
        self._held += octets
        while len(self._held) >= UPLOAD_OCTETS:
            await self._put(bytes(self._held[:UPLOAD_OCTETS]))
            del self._held[:UPLOAD_OCTETS]

    async def end(self) -> None:
        if self._held:
            await self._put(bytes(self._held))

    async def _put(self, octets: bytes) -> None:
        last = self._at + len(octets) - 1
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Range": f"bytes {self._at}-{last}/{self.attachment.size}",
        }
        self._at = last + 1
        try:
            answer = await self._sending.requests.put(self._url, octets, headers)
        except NoAnswer as lost:
            raise Stopped(of_lost_answer(lost, self._sending.host, is_sending=False)) from None
        if not answer.is_good:
            raise Stopped(self._sending.outcome(answer, is_sending=False))


async def _throw_away(sending: Sending, draft: str) -> None:
    """Delete a draft that will not be sent. Where that fails it stays among the drafts, and harms nobody."""
    try:
        await sending.ask("DELETE", draft)
    except (NoAnswer, TokenUnavailable) as error:
        _log.info("draft not deleted", queue_id=sending.queue_id, error=str(error))
