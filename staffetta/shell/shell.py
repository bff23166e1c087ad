"""The shell as a whole: a session, and scripts that are run in it one after the other."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from staffetta.shell import cmdlets, display, help, objects, output, send_mail, system
from staffetta.shell.commands import Command
from staffetta.shell.evaluate import Evaluator, Exited
from staffetta.shell.parse import parse
from staffetta.shell.session import CHECKED, Host, Office, Session, Trust, index
from staffetta.shell.source import Source
from staffetta.shell.trouble import ShellError

BUILT_IN: tuple[Command, ...] = (
    *objects.COMMANDS,
    *output.COMMANDS,
    *system.COMMANDS,
    *send_mail.COMMANDS,
    *cmdlets.COMMANDS,
    *help.COMMANDS,
)
"""What does not come from the relay's operations."""


class Shell:
    """Runs scripts; variables live from one to the next."""

    def __init__(
        self,
        host: Host,
        office: Office,
        *,
        folder: Path,
        trust: Trust = CHECKED,
        now: Callable[[], datetime] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        commands = index((*BUILT_IN, *map(cmdlets.of_operation, office.operations)))
        self.session = Session(host, office, commands, folder, trust)
        self.is_over = False
        if now is not None:
            self.session.now = now
        if environment is not None:
            self.session.environment = environment

    def run(self, text: str) -> int:
        """Run a script and show what it gives; an error that ends it is shown too.

        Returns 0, 1 after an error, or what the script gave to `exit`, which sets `is_over` besides.
        """
        source = Source(text)
        evaluator = Evaluator(self.session, lambda error: self.session.report(error, source.line))
        try:
            evaluator.run(parse(source), self.show)
        except ShellError as error:
            evaluator.remember(error)
            self.session.report(error, source.line)
            return 1
        except Exited as exited:
            self.is_over = True
            return exited.status & 0xFF
        finally:
            self.session.end_line()
        return 0

    def show(self, items: list[object]) -> None:
        """Show the output of one pipeline."""
        for line in display.by_default(items, self.session.host.width):
            self.session.say(line)
