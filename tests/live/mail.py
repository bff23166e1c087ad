"""The messages of the matrix: each shape is one way in which content or envelope has gone wrong somewhere."""

from dataclasses import dataclass, replace

SENDER = "ada@contoso.test"
LINE = b"The quick brown fox jumps over the lazy dog, and the relay carries it on unchanged.\r\n"
TEN_MIB = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Mail:
    """One message for a client to send. content: lines end in CRLF."""

    message_id: str
    content: bytes
    recipients: tuple[str, ...] = ("bob@outside.example",)
    sender: str = SENDER
    is_eight_bit: bool = False
    is_smtputf8: bool = False
    is_starttls: bool = False
    is_dsn: bool = False


def message(message_id: str, body: bytes, subject: str = "matrix") -> bytes:
    return (
        f"From: Ada <{SENDER}>\r\nTo: bob@outside.example\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n"
        f"Message-ID: <{message_id}>\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    ).encode() + body


def shapes(name: str) -> dict[str, Mail]:
    """All shapes, with Message-IDs that start with `name`."""
    plain = Mail(f"{name}-plain@contoso.test", message(f"{name}-plain@contoso.test", LINE * 3))

    def shape(label: str, body: bytes = LINE, subject: str = "matrix") -> Mail:
        message_id = f"{name}-{label}@contoso.test"
        return replace(plain, message_id=message_id, content=message(message_id, body, subject))

    return {
        "plain": plain,
        "several-recipients": replace(
            shape("several-recipients"), recipients=tuple(f"user{number}@outside.example" for number in range(5))
        ),
        "eight-bit": replace(shape("eight-bit", "Grüße aus Köln, «ça va»?\r\n".encode() * 5), is_eight_bit=True),
        "smtputf8": replace(
            shape("smtputf8", "Γειά σου\r\n".encode(), subject="δοκιμή"),
            recipients=("χρήστης@outside.example",),
            is_eight_bit=True,
            is_smtputf8=True,
        ),
        "ten-mib": shape("ten-mib", LINE * (TEN_MIB // len(LINE) + 1)),
        "dots": shape("dots", b".\r\n..\r\n...\r\n.a\r\n\r\n.\r\n. \r\n" + LINE + b".\r\n"),
        "long-lines": shape("long-lines", (b"x" * 998 + b"\r\n") * 4),
        "starttls": replace(shape("starttls"), is_starttls=True),
        "dsn": replace(shape("dsn"), is_dsn=True),
    }
