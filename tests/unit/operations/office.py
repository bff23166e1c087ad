"""An office to work in: settings of a file, a directory on disk, and callers."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from staffetta.directory.store import Directory
from staffetta.operations.registry import Context, Output, Result, execute, find
from staffetta.operations.roles import Caller, Role
from staffetta.settings.model import Dns, Settings
from staffetta.settings.objects import AcceptedDomain, InboundConnector, Organization
from staffetta.settings.roads import NextHop, Route

NOW = 1_795_000_000.0
ADMINISTRATOR = Caller("ada", frozenset(Role), "cli")
DECLARED = InboundConnector(name="Declared", sender_ip_addresses=("192.0.2.200",))


class Office:
    """Calls operations as the shell does, and keeps the warnings of the last call."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(
            hostname="relay.example.org",
            data_dir=folder,
            accepted_domains=(
                AcceptedDomain(name="contoso.com", route="inside"),
                AcceptedDomain(name="fabrikam.com", route="inside", organization="fabrikam"),
            ),
            organizations=(Organization(name="fabrikam"),),
            inbound_connectors=(DECLARED,),
            dns=Dns(servers=("127.0.0.1:1",), timeout_seconds=0.2),  # no unit test asks a resolver of the machine
            routes=(Route(name="inside", next_hops=(NextHop(host="192.0.2.1"),)),),
        )
        self.now: Callable[[], float] = lambda: NOW
        self.directory = Directory.open(folder, now=lambda: self.now())
        self.warnings: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.directory.close()

    def context(self, caller: Caller = ADMINISTRATOR) -> Context:
        return Context.of(self.settings, self.directory, caller, self.now)

    def result(self, cmdlet: str, caller: Caller = ADMINISTRATOR, **parameters: object) -> Result:
        return self.ask(cmdlet, parameters, caller)

    def ask(
        self,
        cmdlet: str,
        parameters: Mapping[str, object],
        caller: Caller = ADMINISTRATOR,
        *,
        only_ask: bool = False,
    ) -> Result:
        result = execute(find(cmdlet), self.context(caller), parameters, only_ask=only_ask)
        self.warnings = result.warnings
        return result

    def __call__(self, cmdlet: str, caller: Caller = ADMINISTRATOR, **parameters: object) -> list[dict[str, Any]]:
        """Return the rows by outside names."""
        return [shown(row) for row in self.result(cmdlet, caller, **parameters).rows]


def shown(row: Output) -> dict[str, Any]:
    return row.model_dump(mode="json", by_alias=True)
