"""A message made of what people fill in: fields, text, attachments. Pure: who calls says what time it is."""

import mimetypes
from dataclasses import dataclass
from email.message import EmailMessage

_X_PRIORITY = {"high": "1", "low": "5"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What is empty gets no field. Addresses as they stand in a header, several with commas.

    author: the From field. date: as the field has it. priority: high, normal or low, in any case.
    fields: further ones, name and value. attachments: name and octets.
    """

    author: str
    date: str
    sender: str = ""
    reply_to: str = ""
    to: str = ""
    cc: str = ""
    subject: str = ""
    message_id: str = ""
    body: str = ""
    is_html: bool = False
    priority: str = "normal"
    fields: tuple[tuple[str, str], ...] = ()
    attachments: tuple[tuple[str, bytes], ...] = ()


def compose(draft: Draft) -> EmailMessage:
    """Return the message. Raises ValueError, whose text names the field at fault."""
    message = EmailMessage()
    fields = {
        "Sender": draft.sender,
        "From": draft.author,
        "Reply-To": draft.reply_to,
        "To": draft.to,
        "Cc": draft.cc,
        "Date": draft.date,
        "Message-ID": draft.message_id,
        "Subject": draft.subject,
        "X-Priority": _X_PRIORITY.get(draft.priority.lower(), ""),
    }
    for name, value in (*((name, value) for name, value in fields.items() if value), *draft.fields):
        try:
            message[name] = value
        except ValueError as error:
            raise ValueError(f"The header field {name} cannot be '{value}': {error}") from error
    message.set_content(
        draft.body,
        subtype="html" if draft.is_html else "plain",
        charset="us-ascii" if draft.body.isascii() else "utf-8",
        cte="quoted-printable",
    )
    for name, octets in draft.attachments:
        main, _, sub = (mimetypes.guess_type(name)[0] or "application/octet-stream").partition("/")
        message.add_attachment(octets, main, sub, filename=name)
    return message
