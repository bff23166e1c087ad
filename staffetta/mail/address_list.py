"""Reading the address lists of header fields, From, To, Cc and Bcc (RFC 5322 §3.4): tolerant, linear, in one pass.

It reads what people and devices write: obsolete forms, `;` for `,`, an unquoted `@` in a name. Whether it had to guess
is told, so that a caller who must be sure can write the field anew.
"""

import re
from dataclasses import dataclass

from staffetta.mail.address import AddressError, Mailbox, parse_mailbox

_TOKEN = re.compile(
    r"""(?P<quoted>"(?:[^"\\]|\\.)*")
      | (?P<literal>\[[^\[\]]*\])
      | <(?P<angle>[^<>]*)>
      | (?P<comment>\()
      | (?P<end>[,;])
      | (?P<group>:)
      | (?P<text>[^"\[<(,;:]+)""",
    re.VERBOSE | re.DOTALL,
)
_PARENTHESIS = re.compile(r"\\.|[()]", re.DOTALL)
_SOURCE_ROUTE = re.compile(r"^\s*@[^:]*:")  # obs-route: ignored, as RFC 5322 §4.4 asks


@dataclass(frozen=True, slots=True)
class NamedMailbox:
    """One entry. name: the phrase before the address as it was written, quotes and encoded words included; or empty."""

    name: str
    mailbox: Mailbox


@dataclass(frozen=True, slots=True)
class AddressList:
    """What was read, groups resolved. is_sound: everything could be read, and nothing had to be guessed at."""

    entries: tuple[NamedMailbox, ...]
    is_sound: bool


def read_address_list(value: str) -> AddressList:
    """Read the value of one field. value: unfolded. Never fails: what is no address is left out."""
    return _Reader(value).read()


class _Reader:
    def __init__(self, value: str) -> None:
        self._value = value
        self._entries: list[NamedMailbox] = []
        self._is_sound = True
        self._is_in_group = False
        self._words: list[str] = []
        self._angle: str | None = None

    def read(self) -> AddressList:
        at = 0
        while at < len(self._value):
            match = _TOKEN.match(self._value, at)
            if match is None:  # a quote, bracket or angle that is not closed, or is closed without having been opened
                self._is_sound = False
                at += 1
            elif match.lastgroup == "comment":
                at = self._comment_end(match.end())
            else:
                self._take(match)
                at = match.end()
        self._end_entry()
        return AddressList(tuple(self._entries), self._is_sound and not self._is_in_group)

    def _take(self, match: re.Match[str]) -> None:
        match match.lastgroup:
            case "angle":
                self._is_sound = self._is_sound and self._angle is None
                self._angle = match["angle"]
            case "group":  # what was before it is the group's name
                self._is_sound = self._is_sound and not self._is_in_group and self._angle is None
                self._is_in_group, self._words = True, []
            case "end":
                self._end_entry()
                if match["end"] == ";":
                    self._is_sound = self._is_sound and self._is_in_group
                    self._is_in_group = False
            case _:
                self._words.append(match[0])

    def _end_entry(self) -> None:
        words = " ".join("".join(self._words).split())
        is_bare = self._angle is None
        address = words if self._angle is None else _SOURCE_ROUTE.sub("", self._angle).strip()
        self._words, self._angle = [], None
        if not address and is_bare:
            return
        try:
            self._entries.append(NamedMailbox("" if is_bare else words, parse_mailbox(address)))
        except AddressError:
            self._is_sound = False

    def _comment_end(self, at: int) -> int:
        """Comments nest (RFC 5322 §3.2.2)."""
        depth = 1
        for match in _PARENTHESIS.finditer(self._value, at):
            depth += {"(": 1, ")": -1}.get(match[0], 0)
            if not depth:
                return match.end()
        self._is_sound = False
        return len(self._value)
