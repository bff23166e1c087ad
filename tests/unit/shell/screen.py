"""A shell on a real directory, whose screen is a list of lines."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

from staffetta.directory.store import Directory
from staffetta.operations.local import LocalOffice
from staffetta.operations.roles import Caller, Role
from staffetta.settings.model import Settings
from staffetta.settings.objects import AcceptedDomain, InboundConnector
from staffetta.settings.roads import NextHop, Route
from staffetta.shell.session import CHECKED, Host, Trust
from staffetta.shell.shell import Shell

NOW = datetime(2026, 11, 24, 14, 5, 9, tzinfo=timezone(timedelta(hours=1)))
DECLARED = InboundConnector(name="Declared", sender_ip_addresses=("192.0.2.200",))


class Screen:
    """Runs scripts and keeps what is shown. answers: what the user says when asked; None where nobody is there."""

    def __init__(self, folder: Path, directory: Directory, answers: Sequence[str] | None, trust: Trust) -> None:
        settings = Settings(
            hostname="relay.example.org",
            data_dir=folder,
            accepted_domains=(AcceptedDomain(name="contoso.com", route="inside"),),
            inbound_connectors=(DECLARED,),
            routes=(Route(name="inside", next_hops=(NextHop(host="192.0.2.1"),)),),
        )
        self.lines: list[str] = []
        self.complaints: list[str] = []
        self.answers = list(answers or ())
        answer = self.answer if answers is not None else None
        host = Host(self.lines.append, self.complaints.append, answer, answer)
        office = LocalOffice(settings, directory, Caller("ada", frozenset(Role), "shell"))
        self.shell = Shell(host, office, folder=folder, trust=trust, now=lambda: NOW, environment={"HOME": "/home/ada"})

    def answer(self, question: str) -> str:
        self.lines.append(question)
        return self.answers.pop(0)

    def run(self, script: str) -> str:
        """Run a script that must go well, and return what it shows."""
        del self.lines[:], self.complaints[:]
        assert self.shell.run(script) == 0, self.complaints
        return "\n".join(self.lines)

    def fail(self, script: str) -> str:
        """Run a script that must fail, and return its complaints."""
        del self.lines[:], self.complaints[:]
        assert self.shell.run(script) == 1, self.lines
        return "\n".join(self.complaints)


@contextmanager
def screen(folder: Path, *, answers: Sequence[str] | None = None, trust: Trust = CHECKED) -> Iterator[Screen]:
    directory = Directory.open(folder)
    try:
        yield Screen(folder, directory, answers, trust)
    finally:
        directory.close()
