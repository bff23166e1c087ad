"""A message on its way into the relay, and the file that holds it while the relay is down.

The file: one line of JSON, the envelope; then the content, canonical.
"""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from staffetta.mail.address import AddressError, parse_mailbox
from staffetta.mail.header import HeaderSection, section_end

_ENVELOPE_OCTETS_MAX = 1_048_576
_TIME_END = 2**33  # the year 2242


class NotALetter(Exception):
    """A file holds something else."""


@dataclass(frozen=True, slots=True)
class Letter:
    """sender: "" for the null path. recipients: mailboxes. notify, ret, envelope_id: of DSN, empty: not said.

    written_at: seconds since 1970.
    """

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    notify: str = ""
    ret: str = ""
    envelope_id: str = ""
    written_at: float = 0.0

    @property
    def message_id(self) -> str:
        """The Message-ID field's value; "" where there is none."""
        section = self.content[: section_end(self.content) or 0]
        return HeaderSection(section).first(b"message-id") or ""

    def for_only(self, recipients: tuple[str, ...]) -> "Letter":
        """Return the same to fewer."""
        return replace(self, recipients=recipients)

    def as_file(self) -> bytes:
        """Return the octets of its file."""
        envelope = {key: value for key, value in asdict(self).items() if key != "content"}
        return json.dumps(envelope, ensure_ascii=True).encode() + b"\n" + self.content


def read_letter(octets: bytes) -> Letter:
    """Return what a file holds. Anybody may have written it. Raises NotALetter."""
    line, newline, content = octets.partition(b"\n")
    if not newline or len(line) > _ENVELOPE_OCTETS_MAX:
        raise NotALetter("its first line is no envelope")
    try:
        envelope: Any = json.loads(line)
        letter = Letter(
            _text(envelope["sender"]),
            tuple(_text(each) for each in envelope["recipients"]),
            content,
            notify=_word(envelope["notify"]),
            ret=_word(envelope["ret"]),
            envelope_id=_word(envelope["envelope_id"]),
            written_at=_time(envelope["written_at"]),
        )
        for each in (*letter.recipients, *((letter.sender,) if letter.sender else ())):
            parse_mailbox(each)
    except (ValueError, KeyError, TypeError, RecursionError, AddressError) as error:
        raise NotALetter(f"its first line is no envelope: {error}") from None
    if not letter.recipients:
        raise NotALetter("it goes to nobody")
    return letter


def _text(value: object) -> str:
    """Nothing that could end a command."""
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError("a value is no printable text")
    return value


def _word(value: object) -> str:
    """Nor begin another parameter."""
    text = _text(value)
    if " " in text or not text.isascii():
        raise ValueError("a parameter is no word")
    return text


def _time(value: object) -> float:
    if not isinstance(value, int | float) or not 0 <= value < _TIME_END:
        raise ValueError("a time is none")
    return float(value)
