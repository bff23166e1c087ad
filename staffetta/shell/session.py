"""One run of the shell: its variables, its commands, where its words go, and who answers its questions."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from staffetta.operations.registry import Operation, Result
from staffetta.shell.commands import Command
from staffetta.shell.trouble import Place, ShellError
from staffetta.shell.values import Bag, printable, text


class Office(Protocol):
    """Where cmdlets are carried out."""

    @property
    def operations(self) -> Sequence[Operation]:
        """All that there are."""

    def execute(self, operation: Operation, parameters: Mapping[str, object], *, only_ask: bool) -> Result:
        """Do as `operations.registry.execute` does, on what is there now. Raises OperationError."""


@dataclass(frozen=True, slots=True)
class Host:
    """The outside of the shell.

    write: takes a line of output; complain: one of errors and warnings. Neither has a line end.
    ask: shows a question and returns the answer, and `ask_secret` does not show that; None where nobody is there.
    width: of the terminal in columns; None where lines may be as long as they like.
    """

    write: Callable[[str], None]
    complain: Callable[[str], None]
    ask: Callable[[str], str] | None = None
    ask_secret: Callable[[str], str] | None = None
    width: int | None = None
    is_coloured: bool = False


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose certificate a mail server may have when a script sends mail.

    authorities: PEM file of ours, besides those that this machine trusts. is_checked: False takes any certificate.
    """

    authorities: Path | None = None
    is_checked: bool = True


CHECKED = Trust()


@dataclass(slots=True)
class Session:
    """folder: what relative paths are relative to. now: aware, local. environment: what `$env:` reads."""

    host: Host
    office: Office
    commands: Mapping[str, Command]
    folder: Path
    trust: Trust = CHECKED
    now: Callable[[], datetime] = lambda: datetime.now().astimezone()
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    variables: Bag = field(default_factory=Bag)
    errors: list[ShellError] = field(default_factory=list)
    is_good: bool = True
    _begun: str = ""

    def say(self, words: str, *, is_whole: bool = True) -> None:
        """Show a line, or with is_whole false the beginning of one. Control characters of a value reach no terminal."""
        self._begun += printable(words)
        if is_whole:
            self.host.write(self._begun)
            self._begun = ""

    def end_line(self) -> None:
        """Show what has been begun and not ended."""
        if self._begun:
            self.say("")

    def ask(self, question: str, *, is_secret: bool = False) -> str:
        """Return the user's answer. Raises ShellError where nobody answers."""
        ask = self.host.ask_secret if is_secret else self.host.ask
        try:
            if ask is not None:
                return ask(question)
        except EOFError:
            pass
        raise ShellError(
            f"Nobody is there to be asked: {question.strip(': ')}. "
            "Give it as a parameter, or run the script at a terminal."
        )

    def warn(self, words: str) -> None:
        self.host.complain(self._paint("33;1", f"WARNING: {printable(words)}"))

    def detail(self, words: str, *, is_asked: bool | None = None) -> None:
        """Say what few want to know. is_asked: what `-Verbose` said; None leaves it to `$VerbosePreference`."""
        preference = text(self.variables.get("VerbosePreference")).casefold()
        if is_asked or (is_asked is None and preference in ("continue", "inquire")):
            self.host.complain(self._paint("36", f"VERBOSE: {printable(words)}"))

    def report(self, error: ShellError, line: Callable[[Place], str]) -> None:
        """Show an error: whose it is, what it says, where it came of. line: the script's line of a place."""
        head = f"{error.command}: {error.text}" if error.command else error.text
        shown = [head]
        if error.place is not None:
            shown += [f"At line:{error.place.line} char:{error.place.column}", f"+ {line(error.place).strip()}"]
        for each in shown:
            self.host.complain(self._paint("31;1", printable(each)))

    def _paint(self, colour: str, words: str) -> str:
        return f"\x1b[{colour}m{words}\x1b[0m" if self.host.is_coloured else words

    def path(self, name: str) -> Path:
        """Return the path that a script means. Raises ShellError."""
        try:
            return self.folder / Path(name).expanduser()
        except RuntimeError as error:
            raise ShellError(f"Cannot find path '{name}': {error}") from error


def index(commands: Iterable[Command]) -> dict[str, Command]:
    """Return commands by name and alias, lower case."""
    return {name.casefold(): command for command in commands for name in (command.name, *command.aliases)}
