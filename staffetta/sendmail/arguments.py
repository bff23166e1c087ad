"""What programs write behind `sendmail`: the options of the usual ones, and no error for those that mean nothing here.

Rule: an option that asks for nothing that we do is taken and forgotten, as all descendants of sendmail do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto


class Mode(Enum):
    """What is asked for."""

    SEND = auto()
    SPEAK_SMTP = auto()
    LIST_QUEUE = auto()
    NOTHING = auto()  # newaliases, a run of the queue: the relay does all that by itself


class ArgumentError(Exception):
    """An option lacks its value. The text says which."""


@dataclass(slots=True)
class Arguments:
    """recipients: as they were written. sender: None where it was not said; "" is the null path.

    is_dot_content: a line with a dot alone is content and not the end (-i). notify: words of NOTIFY. ret: FULL or HDRS.
    """

    mode: Mode = Mode.SEND
    recipients: list[str] = field(default_factory=list)
    sender: str | None = None
    full_name: str = ""
    is_from_header: bool = False
    is_dot_content: bool = False
    notify: str = ""
    ret: str = ""
    envelope_id: str = ""


_WITH_VALUE = "ABCDFLMNOQRVXbdfhopqr"  # of these, -b -d -o -q take theirs only where it is joined on
_JOINED_ALONE = "bdoq"
_MODES = {
    "m": Mode.SEND,
    "s": Mode.SPEAK_SMTP,
    "p": Mode.LIST_QUEUE,
    "i": Mode.NOTHING,
    "h": Mode.NOTHING,
    "H": Mode.NOTHING,
}
_BY_NAME = {"mailq": Mode.LIST_QUEUE, "newaliases": Mode.NOTHING}


def parse(program: str, words: Sequence[str]) -> Arguments:
    """Return what a command line asks for. program: the name it was called by, without its folder.

    Raises ArgumentError.
    """
    arguments = Arguments(_BY_NAME.get(program, Mode.SEND))
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            arguments.recipients += rest
            break
        if not word.startswith("-") or word == "-":
            arguments.recipients.append(word)
            continue
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter not in _WITH_VALUE:
                _switch(arguments, letter)
                continue
            value, letters = letters, ""
            if not value and letter not in _JOINED_ALONE:
                if not rest:
                    raise ArgumentError(f"-{letter} lacks its value")
                value = rest.pop(0)
            _option(arguments, letter, value)
    return arguments


def _switch(arguments: Arguments, letter: str) -> None:
    if letter == "t":
        arguments.is_from_header = True
    elif letter == "i":
        arguments.is_dot_content = True
    elif letter == "I":
        arguments.mode = Mode.NOTHING


def _option(arguments: Arguments, letter: str, value: str) -> None:
    match letter:
        case "f" | "r":
            arguments.sender = value.strip().removeprefix("<").removesuffix(">")
        case "F":
            arguments.full_name = value
        case "N":
            arguments.notify = value.upper()
        case "R":
            arguments.ret = {"FULL": "FULL", "HDRS": "HDRS"}.get(value.upper(), "")
        case "V":
            arguments.envelope_id = value
        case "b":
            arguments.mode = _MODES.get(value[:1], Mode.SEND)
        case "q":
            arguments.mode = Mode.NOTHING
        case "o" if value == "i":
            arguments.is_dot_content = True
