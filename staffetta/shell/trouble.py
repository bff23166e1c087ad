"""What can be wrong with a script, and where."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands in the script. line, column: from 1, in characters."""

    line: int
    column: int


class ShellError(Exception):
    """A script cannot go on. The text says why, and what to write instead.

    place: None while nobody knows; the evaluator fills in the statement's. command: the cmdlet at fault, if any.
    kind: the exception's type as a script's `catch` sees it.
    """

    kind = "System.Management.Automation.RuntimeException"

    def __init__(self, text: str, place: Place | None = None, *, command: str = "", kind: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.place = place
        self.command = command
        self.kind = kind or self.kind


class NotSupported(ShellError):
    """PowerShell can do this, the shell cannot."""

    kind = "System.NotSupportedException"

    def __init__(self, what: str, place: Place | None = None) -> None:
        super().__init__(f"not supported: {what}", place)


class CannotRead(ShellError):
    """The text is no PowerShell, or none that the grammar knows."""

    kind = "System.Management.Automation.ParseException"
