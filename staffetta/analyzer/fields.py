"""Header fields out of whatever is pasted: quoted, indented, badly wrapped, spaced out, with other text before.

Rule 1: a well-formed message is read as RFC 5322 §2.2 says; the guesses below are for what is none.
Rule 2: the section is the first block of lines that has a Received field, or else the first that has known fields.
Rule 3: a line that begins with no name of a field continues the field before it, indented or not.
Rule 4: time grows with the length of the input and with nothing else; what is beyond a limit is not read, and said.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from staffetta.analyzer.encoded_words import decode

FIELDS_MAX = 2000  # a real message has fewer than 200
LINES_MAX = 5000  # text before, and the section; of the body nothing is needed
_LINE_END = re.compile(r"\r\n|\r|\n")
_NAME = re.compile(r"([A-Za-z][A-Za-z0-9_.-]{0,76})[ \t]?:(?!//|:)[ \t]*")
_KNOWN = re.compile(
    r"([ \t>|]{0,40})(received|return-path|delivered-to|date|from|to|subject|message-id|mime-version|reply-to|sender"
    r"|authentication-results|dkim-signature|content-type|arc-[a-z-]+|x-[a-z0-9-]+)[ \t]?:",
    re.IGNORECASE,
)
_MADE_WHOLE = ("received", "message-id", "mime-version")  # a block with one of these is no covering note
_MBOX_LINE = re.compile(r">?From \S+ ")
SIGNATURES = ("dkim-signature", "arc-message-signature")
_OPEN_TAG_H = re.compile(r"(?:^|;)\s*h\s*=[^;]*$")
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_OLE_MARK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class NotHeaders(Exception):
    """There is nothing to analyze. The text says what was given and what to give instead."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field. value: unfolded, with encoded words decoded, for people; written: unfolded, as it stands."""

    name: str
    value: str
    written: str


@dataclass(frozen=True, slots=True)
class Section:
    """The fields in the order in which they stand, the newest trace first.

    is_cut: there were more than FIELDS_MAX, or it did not end within LINES_MAX. lines_before: with text, and left out.
    """

    fields: tuple[Field, ...]
    is_cut: bool = False
    lines_before: int = 0

    def every(self, name: str) -> Iterator[Field]:
        """Yield the fields of a name, in any case of letters."""
        wanted = name.lower()
        return (field for field in self.fields if field.name.lower() == wanted)

    def first(self, name: str) -> str | None:
        """Return the value of the first field of that name."""
        return next((field.value for field in self.every(name)), None)


def text_of(given: bytes) -> str:
    """Return what a file holds as text: UTF-16 by its mark, UTF-8, or else Latin-1. Raises NotHeaders."""
    if given.startswith(_OLE_MARK):
        raise NotHeaders(
            "This is Outlook's binary .msg format. Open the message in Outlook, choose File > Properties, and paste "
            "the text under `Internet headers`; or save it as .eml."
        )
    if given.startswith(_UTF_16_MARKS):
        return given.decode("utf-16", "replace")
    try:
        return given.decode("utf-8-sig")
    except UnicodeDecodeError:
        return given.decode("latin-1")


def read(text: str) -> Section:
    """Find the header section and return its fields. Raises NotHeaders."""
    fields: list[Field] = []
    lines, is_cut, lines_before = _section_lines(text)
    for name, value in _unfolded(lines):
        if len(fields) == FIELDS_MAX:
            return Section(tuple(fields), True, lines_before)
        fields.append(Field(name, decode(value), value))
    if not fields:
        raise NotHeaders(
            "No header field was found. Paste the message's source, or its Internet headers: lines such as "
            "`Received: from …` and `Subject: …`."
        )
    return Section(tuple(fields), is_cut, lines_before)


def _section_lines(text: str) -> tuple[list[str], bool, int]:
    """The lines of the section, without what stands before every line of it; whether its end was not reached; and how
    many lines are before it."""
    lines = _LINE_END.split(text.removeprefix("\ufeff"), LINES_MAX)
    is_cut = len(lines) > LINES_MAX
    lines = [line.replace("\0", "") for line in lines[:LINES_MAX]]
    blocks = _blocks(lines)
    chosen = next((block for block in blocks if _has(block, _MADE_WHOLE)), None)
    chosen = chosen or next((block for block in blocks if _first_known(block) is not None), None)
    if chosen is None:
        return (blocks[0] if blocks and any(_NAME.match(line) for line in blocks[0]) else []), False, 0
    start = _first_known(chosen)
    assert start is not None
    number, prefix = start
    if not prefix:  # a field without a known name may stand first
        while number and _NAME.match(chosen[number - 1]):
            number -= 1
    section = [_without(prefix, line) for line in chosen[number:] if not _MBOX_LINE.match(line)]
    earlier = itertools.takewhile(lambda block: block is not chosen, blocks)
    before = [*itertools.chain.from_iterable(earlier), *chosen[:number]]
    return section, is_cut and chosen is blocks[-1], sum(not _MBOX_LINE.match(line) for line in before)


def _blocks(lines: Sequence[str]) -> list[list[str]]:
    """Lines between empty ones. Where each of the first is a single field, the text is spaced out, and they are one."""
    blocks: list[list[str]] = [[]]
    for line in lines:
        if line.strip(" \t>|"):
            blocks[-1].append(line)
        elif line[:1] in (" ", "\t") and blocks[-1]:
            continue  # white space alone is a continuation that says nothing (RFC 5322 §4.2)
        elif blocks[-1]:
            blocks.append([])
    blocks = [block for block in blocks if block]
    spaced = 0
    while spaced < len(blocks) and _is_one_field(blocks[spaced]):
        spaced += 1
    if spaced >= 3:
        return [[line for block in blocks[:spaced] for line in block], *blocks[spaced:]]
    return blocks


def _is_one_field(block: Sequence[str]) -> bool:
    return bool(_KNOWN.match(block[0]) or _NAME.match(block[0])) and not any(_KNOWN.match(line) for line in block[1:])


def _has(block: Sequence[str], names: tuple[str, ...]) -> bool:
    return any((match := _KNOWN.match(line)) and match[2].lower() in names for line in block)


def _first_known(block: Sequence[str]) -> tuple[int, str] | None:
    """The number of the first line with a known field, and what stands before the field's name."""
    for number, line in enumerate(block):
        if match := _KNOWN.match(line):
            return number, match[1]
    return None


def _without(prefix: str, line: str) -> str:
    if not prefix:
        return line
    return line[len(prefix) :] if line.startswith(prefix) else line.removeprefix(prefix.rstrip())


def _unfolded(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    name, parts = "", [""]
    for line in lines:
        match = _NAME.match(line)
        if match and not _continues_signature(name, parts, line, match):
            if name:
                yield name, " ".join(part for part in parts if part)
            name, parts = match[1], [line[match.end() :].strip()]
        elif name:
            parts.append(line.strip())
    if name:
        yield name, " ".join(part for part in parts if part)


def _continues_signature(name: str, parts: list[str], line: str, match: re.Match[str]) -> bool:
    """Whether an unindented `Subject:To:Date; …` goes on with the tag h= of a signature."""
    if name.lower() not in SIGNATURES or line[match.end() - 1] != ":" or len(parts) > 20:
        return False
    return bool(_OPEN_TAG_H.search(" ".join(parts)))
