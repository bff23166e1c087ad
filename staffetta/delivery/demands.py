"""What a message demands of a next hop, and what to do where the hop lacks it.

8BITMIME: the content is converted. SMTPUTF8: a domain can do without, a local part or a header field cannot
(RFC 6531 §3.2). SIZE: a message that is announced too large is not tried (RFC 1870 §6.1).
"""

from dataclasses import dataclass

from staffetta.delivery.conversion import to_seven_bit
from staffetta.delivery.mime_walk import ConversionError
from staffetta.mail.address import Mailbox
from staffetta.mail.content import Content
from staffetta.mail.envelope import Envelope, Recipient
from staffetta.smtp.capabilities import Capabilities


class Unfit(Exception):
    """This hop can never take this. status: class 5."""

    def __init__(self, status: str, diagnostic: str) -> None:
        super().__init__(diagnostic)
        self.status = status
        self.diagnostic = diagnostic


@dataclass(frozen=True, slots=True)
class FittedContent:
    """Content as this hop can take it. has_eight_bit: it may hold octets above 127."""

    content: Content
    has_eight_bit: bool


async def fit_content(envelope: Envelope, content: Content, capabilities: Capabilities) -> FittedContent:
    """Return the content as this hop can take it. Raises Unfit, for all recipients alike."""
    if not can_address(envelope.reverse_path, capabilities):
        raise Unfit("5.6.7", "the sender's address needs SMTPUTF8, which the next hop does not offer")
    if envelope.smtputf8 and not capabilities.smtputf8 and not await _has_ascii_header(content):
        raise Unfit("5.6.7", "the header section needs SMTPUTF8, which the next hop does not offer")
    fitted = await _fit_body(content, capabilities)
    if capabilities.size and fitted.content.size > capabilities.size:
        raise Unfit("5.3.4", f"{fitted.content.size} octets; the next hop takes at most {capabilities.size}")
    return fitted


def unfit_recipient(recipient: Recipient, capabilities: Capabilities) -> Unfit | None:
    """Return why this hop cannot even be told the recipient, None where it can."""
    if can_address(recipient.mailbox, capabilities):
        return None
    return Unfit("5.6.7", "the recipient's address needs SMTPUTF8, which the next hop does not offer")


def can_address(mailbox: Mailbox | None, capabilities: Capabilities) -> bool:
    """Whether an address can be written to this hop, with the domain's A-labels if need be."""
    return mailbox is None or capabilities.smtputf8 or mailbox.local_part.isascii()


async def _fit_body(content: Content, capabilities: Capabilities) -> FittedContent:
    if capabilities.eight_bit_mime:
        # To look through large content costs more than a BODY=8BITMIME that need not have been.
        return FittedContent(content, content.whole is None or not content.whole.isascii())
    if content.whole is not None and content.whole.isascii():
        return FittedContent(content, False)
    try:
        return FittedContent(await to_seven_bit(content), False)
    except ConversionError as error:
        raise Unfit(
            "5.6.3", f"the next hop does not offer 8BITMIME, and the content cannot be converted: {error}"
        ) from None


async def _has_ascii_header(content: Content) -> bool:
    """Whether the header section is ASCII; so is what has no end of a header section, and no octet above 127."""
    if content.whole is not None:
        return content.whole.partition(b"\r\n\r\n")[0].isascii()
    tail = b""
    async for chunk in content.chunks():
        head, separator, _ = (tail + chunk).partition(b"\r\n\r\n")
        if not head.isascii() or separator:
            return head.isascii()
        tail = chunk[-3:]
    return True
