"""A message as its octets, where the whole source was given: only then can its signatures be computed again.

Rule: what mail programs made of a message is not its source. One line that is neither a field nor indented is enough.
"""

import re
from dataclasses import dataclass

from staffetta.analyzer.fields import FIELDS_MAX

SECTION_OCTETS_MAX = 256 * 1024
BODY_OCTETS_MAX = 32 * 1024 * 1024
READ_OCTETS_MAX = SECTION_OCTETS_MAX + BODY_OCTETS_MAX + 8
"""Of a longer message, this much is enough to see that it is too long."""
_LINE_END = re.compile(rb"\r?\n")
_MBOX_LINE = re.compile(rb"From [^\r\n]{1,998}\r?\n")
_FIELD = re.compile(rb"([!-9;-~]{1,998})[ \t]*:")


class NotWhole(Exception):
    """The source is not all there, or not as it was sent. The text says what is missing, for people."""


@dataclass(frozen=True, slots=True)
class Source:
    """fields: names and values as they stand, the final CRLF included. body: lines end in CRLF; never empty."""

    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes


def source_of(octets: bytes) -> Source:
    """Read a message. octets: lines end in CRLF or LF; a line of an mbox may stand before it. Raises NotWhole."""
    mbox = _MBOX_LINE.match(octets)
    start = mbox.end() if mbox else 0
    section_octets = octets[start : start + SECTION_OCTETS_MAX + 4]
    blank = re.search(rb"\r?\n\r?\n", section_octets)
    if blank is None:
        raise NotWhole("there is no body, only header fields")
    body = octets[start + blank.end() :]
    if not body.strip(b"\r\n"):
        raise NotWhole("there is no body, only header fields")
    if len(body) > BODY_OCTETS_MAX:
        raise NotWhole(f"the body has more than {BODY_OCTETS_MAX // 1024**2} MiB")
    return Source(tuple(_fields(section_octets[: blank.start()])), _LINE_END.sub(b"\r\n", body))


def _fields(section: bytes) -> list[tuple[bytes, bytes]]:
    fields: list[tuple[bytes, list[bytes]]] = []
    for number, line in enumerate(_LINE_END.split(section), 1):
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1][1].append(line)
        elif field := _FIELD.match(line):
            fields.append((field[1], [line[field.end() :]]))
        else:
            raise NotWhole(f"line {number} is no header field, so this is not the source as it was sent")
    if len(fields) > FIELDS_MAX:
        raise NotWhole(f"it has more than {FIELDS_MAX} header fields")
    return [(name, b"\r\n".join([*lines, b""])) for name, lines in fields]
