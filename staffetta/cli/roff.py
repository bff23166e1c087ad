"""Text as man(7) writes it, so that man and mandoc show it without a warning."""

import re
from collections.abc import Iterator

_WIDTH = 78


def head(name: str, section: int, date: str, source: str, summary: str) -> Iterator[str]:
    """Begin a page. date: 2026-11-24. source: program and version."""
    yield f'.TH "{name.upper()}" "{section}" "{date}" "{_quoted(source)}" "Staffetta"'
    yield ".SH NAME"
    yield f"{escaped(name)} \\- {escaped(summary)}"


def heading(text: str) -> str:
    """Begin a section."""
    return f'.SH "{_quoted(text.upper())}"'


def subheading(text: str) -> str:
    """Begin a part of a section."""
    return f'.SS "{_quoted(text)}"'


def tagged(tag: str, text: str) -> Iterator[str]:
    """Yield an entry of a list. tag: words in **bold**, and the rest as it is."""
    yield ".TP"
    yield bold(tag)
    yield from paragraph(text)


def paragraph(text: str) -> Iterator[str]:
    """Yield running text, a line for each sentence as far as that is short."""
    line = ""
    for word in bold(text).split():
        if line and len(line) + len(word) >= _WIDTH:
            yield _begun(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    if line:
        yield _begun(line)


def bold(text: str) -> str:
    """Return text escaped, with `words` and **words** in bold."""
    parts = re.split(r"`([^`]+)`|\*\*([^*]+)\*\*", text)
    shown = ""
    for plain, quoted, starred in zip(parts[::3], [*parts[1::3], None], [*parts[2::3], None], strict=True):
        shown += escaped(plain)
        if quoted or starred:
            shown += f"\\fB{escaped(quoted or starred or '')}\\fR"
    return shown


def escaped(text: str) -> str:
    """Return text in which nothing means anything to roff. A hyphen is one that can be copied into a shell."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "".join(sign if sign.isascii() else f"\\[u{ord(sign):04X}]" for sign in text)


def _begun(line: str) -> str:
    return f"\\&{line}" if line.startswith((".", "'")) else line


def _quoted(text: str) -> str:
    return escaped(text).replace('"', "\\(dq")
