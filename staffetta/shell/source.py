"""A script's text: what tree-sitter-powershell is given, and where its octets stand in what was typed.

Rule 1: the grammar knows too little of bare words in lists. They are put in quotation marks, where they could not stand
otherwise: `Select-Object Name, Enabled` becomes `Select-Object 'Name', 'Enabled'`.
Rule 2: typographic quotation marks and dashes are plain ones, as PowerShell itself takes them: pages have them.
Rule 3: every place that is told is one of the text as typed.
"""

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field

from staffetta.shell.trouble import Place

_SINGLE = "'\u2018\u2019\u201a\u201b"
_DOUBLE = '"\u201c\u201d\u201e'
_DASHES = "\u2013\u2014\u2015"
_CLOSING = {"(": ")", "{": "}"}
_WORD_ENDS = frozenset(" \t\r\n\f,;|&(){}" + _SINGLE + _DOUBLE)
_NUMBER = re.compile(r"[+-]?(0x[0-9a-f]+|\d+(\.\d+)?(e[+-]?\d+)?)[ld]?([kmgtp]b)?|-?\d+\.\.-?\d+", re.IGNORECASE)
_PARAMETER = re.compile(r"-[A-Za-z_]\w*:?")
_PATH_AFTER_VARIABLE = re.compile(r"\$\w+(\\|/[A-Za-z_.~])")


@dataclass(frozen=True, slots=True)
class _Word:
    start: int
    end: int


@dataclass(slots=True)
class Source:
    """Read a text. text: as typed. octets: what the parser is to read, UTF-8.

    open: what has been begun and not ended, such as `{` or `"`; None where the text is whole.
    is_empty: there is nothing but spaces and comments.
    """

    text: str
    octets: bytes = b""
    open: str | None = None
    is_empty: bool = True
    _inserted: list[int] = field(default_factory=list)  # places in `octets`, as characters, of marks that we added
    _line_starts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        scanner = _Scanner(self.text)
        scanner.scan()
        self.open = scanner.waiting()
        self.is_empty = not scanner.last
        plain = "".join(scanner.plain)
        pieces, at, length = [], 0, 0
        for word in scanner.words:
            start, mark = _mark(plain, word)
            if not mark:
                continue
            pieces += [plain[at:start], mark, plain[start : word.end], mark]
            self._inserted += [length + start, length + word.end + 1]
            length += 2
            at = word.end
        pieces.append(plain[at:])
        self.octets = "".join(pieces).encode("utf-8", "replace")
        self._line_starts = [0, *(found.end() for found in re.finditer("\n", self.text))]

    def place(self, octet: int) -> Place:
        """Return where an octet of `octets` stands in the text as typed."""
        character = len(self.octets[:octet].decode("utf-8", "replace"))
        character -= bisect_left(self._inserted, character)
        line = bisect_right(self._line_starts, character)
        return Place(line, character - self._line_starts[line - 1] + 1)

    def line(self, place: Place) -> str:
        """Return the text of the line that a place is in."""
        lines = self.text.splitlines()
        return lines[place.line - 1] if place.line <= len(lines) else ""


def _mark(text: str, word: _Word) -> tuple[int, str]:
    """Where a word needs a quotation mark in front of it, and which; an empty one where it needs none."""
    start = word.start
    whole = text[start : word.end]
    parameter = _PARAMETER.match(whole)
    if parameter is not None and parameter.group().endswith(":"):
        start += parameter.end()
        whole = whole[parameter.end() :]
    if _PATH_AFTER_VARIABLE.match(whole) and text[start - 1 : start] in ("", " ", "\t", ",", "\n", ":"):
        return start, '"'
    if not whole or (whole[0] in "$@-[=+*/%!.<>" and not whole.startswith(("*.", "./", "../")) and whole != "*"):
        return start, ""
    if _NUMBER.fullmatch(whole) or ("]" in whole and "[" not in whole) or not _touches_comma(text, start, word.end):
        return start, ""
    return start, '"' if "$" in whole or "`" in whole else "'"


def _touches_comma(text: str, start: int, end: int) -> bool:
    """Whether a word is an item of a list, and nothing is joined to it."""
    before, after = text[start - 1 : start], text[end : end + 1]
    if before not in ("", " ", "\t", "\n", ",", ":") or after not in (
        "",
        " ",
        "\t",
        "\r",
        "\n",
        ",",
        ";",
        "|",
        ")",
        "}",
    ):
        return False
    return text[:start].rstrip().endswith(",") or text[end:].lstrip(" \t").startswith(",")


class _Scanner:
    """Finds the words that are outside strings and comments, and what is left open."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.plain = list(text)
        self.words: list[_Word] = []
        self.at = 0
        self.brackets: list[str] = []
        self.unfinished: str | None = None
        self.last = ""  # the last sign that is neither space nor comment

    def scan(self) -> None:
        while self.at < len(self.text) and self.unfinished is None:
            self.step()

    def waiting(self) -> str | None:
        """What the text still needs an end for."""
        if self.unfinished is not None:
            return self.unfinished
        if self.brackets:
            return self.brackets[-1]
        return self.last if self.last in ("|", ",", "=", "`") else None

    def step(self) -> None:
        """Pass over one thing: a string, a comment, a bracket, a word, or a sign between them."""
        text, at = self.text, self.at
        sign = text[at]
        if sign == "#":
            self.comment()
            return
        if text.startswith("<#", at):
            self.until("#>", "<#")
            return
        if sign in _SINGLE:
            self.single()
        elif sign in _DOUBLE:
            self.double()
        elif sign == "@" and text[at + 1 : at + 2] and text[at + 1] in _SINGLE + _DOUBLE:
            self.here_string()
        elif sign == "`":
            if self.last in (",", "|"):
                self.plain[at] = " "  # the line goes on there without it, which is all that the grammar takes
            self.at += 2
        elif sign in "({":
            self.brackets.append(sign)
            self.at += 1
        elif sign in ")}":
            if self.brackets and _CLOSING[self.brackets[-1]] == sign:
                self.brackets.pop()
            self.at += 1
        elif sign in _WORD_ENDS:
            if sign == ",":
                self.comma()
            self.at += 1
        else:
            self.word()
        if not sign.isspace() and not text[at : self.at].startswith("`\n"):
            self.last = text[min(self.at, len(text)) - 1]

    def word(self) -> None:
        start = self.at
        if self.text[start] in _DASHES:
            self.plain[start] = "-"
        while self.at < len(self.text) and self.text[self.at] not in _WORD_ENDS:
            self.at += 2 if self.text[self.at] == "`" else 1
        self.at = min(self.at, len(self.text))
        # `$(`, `@{` and `${` belong to what follows.
        if self.text[start : self.at] not in ("$", "@"):
            self.words.append(_Word(start, self.at))

    def comma(self) -> None:
        """`a , b` is `a, b`, which the grammar knows."""
        first = self.at
        while first > 0 and self.text[first - 1] in " \t":
            first -= 1
        if first > 0 and self.text[first - 1] != "\n":
            self.plain[self.at] = " "
            self.plain[first] = ","

    def comment(self) -> None:
        newline = self.text.find("\n", self.at)
        self.at = len(self.text) if newline < 0 else newline

    def until(self, end: str, begin: str) -> None:
        found = self.text.find(end, self.at + len(begin))
        if found < 0:
            self.unfinished = begin
        self.at = found + len(end)

    def single(self) -> None:
        self.plain[self.at] = "'"
        self.at += 1
        while self.at < len(self.text):
            if self.text[self.at] in _SINGLE:
                self.plain[self.at] = "'"
                self.at += 1
                if self.text[self.at : self.at + 1] not in tuple(_SINGLE):
                    return
                self.plain[self.at] = "'"
            self.at += 1
        self.unfinished = "'"

    def double(self) -> None:
        self.plain[self.at] = '"'
        self.at += 1
        while self.at < len(self.text):
            sign = self.text[self.at]
            if sign == "`":
                self.at += 2
            elif self.text.startswith("$(", self.at):
                self.at += 1
                self.nested()
            elif sign in _DOUBLE:
                self.plain[self.at] = '"'
                self.at += 1
                if self.text[self.at : self.at + 1] not in tuple(_DOUBLE):
                    return
                self.plain[self.at] = '"'
                self.at += 1
            else:
                self.at += 1
        self.unfinished = self.unfinished or '"'

    def nested(self) -> None:
        """Pass over `( … )` within a string, which may hold strings of its own."""
        depth = len(self.brackets)
        self.brackets.append("(")
        self.at += 1
        while self.at < len(self.text) and len(self.brackets) > depth and self.unfinished is None:
            self.step()
        del self.brackets[depth:]

    def here_string(self) -> None:
        mark = "'" if self.text[self.at + 1] in _SINGLE else '"'
        signs = _SINGLE if mark == "'" else _DOUBLE
        self.plain[self.at + 1] = mark
        end = re.compile(rf"\n[{signs}]@").search(self.text, self.at + 2)
        if end is None:
            self.unfinished = "@" + mark
            return
        self.plain[end.start() + 1] = mark
        self.at = end.end()
