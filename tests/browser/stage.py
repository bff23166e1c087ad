"""A real relay with a console, with people, objects and mail in it, for browsers to visit."""

import re
import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from staffetta.directory.administrators import add_administrator
from staffetta.directory.role_groups import add_member
from staffetta.directory.store import Author, Directory
from staffetta.operations.local import local_office
from staffetta.operations.registry import find
from staffetta.settings.passwords import hash_password
from tests.live.relay import LOOPBACK, Relay
from tests.live.sink import EVERYTHING, Sink
from tests.ports import free_port

PASSWORD = "correct horse battery"
CONSOLE = """
[console]
address = "127.0.0.1:{port}"

[[organizations]]
name = "fabrikam"
"""
PEOPLE = {
    "ada": "Organization Management",
    "vic": "View-Only Organization Management",
    "hel": "Help Desk",
    "com": "Compliance Management",
}
OBJECTS = (
    ("New-AcceptedDomain", {"Name": "tailspin.test", "DomainType": "InternalRelay"}),
    (
        "New-InboundConnector",
        {"Name": "Printers of the third floor", "SenderDomains": ["*"], "SenderIPAddresses": ["192.0.2.0/28"]},
    ),
    (
        "New-InboundConnector",
        {
            "Name": "Invoices <b>&amp;</b>",
            "SenderDomains": ["*"],
            "SenderIPAddresses": ["192.0.2.77"],
            "Comment": "A long \u202ecomment, as people write them. " * 12,
        },
    ),
    (
        "New-OutboundConnector",
        {
            "Name": "To the partner",
            "RecipientDomains": ["partner.test"],
            "SmartHosts": ["192.0.2.25"],
            "UseMXRecord": "false",
        },
    ),
    ("New-RouteRule", {"Name": "Large mail", "Route": "next", "OctetsMin": "10000000"}),
    (
        "New-RouteRule",
        {"Name": "To the partner first", "Route": "To the partner", "RecipientDomains": ["partner.test"]},
    ),
    ("New-SmtpAccount", {"UserName": "scanner@contoso.test"}),
    ("New-ApiToken", {"Name": "monitoring", "Roles": ["View-Only Organization Management"]}),
)


@dataclass(frozen=True)
class Stage:
    """relay: running. address: of the console, without a slash at its end. sink: where mail ends."""

    relay: Relay
    sink: Sink
    address: str

    def first_code(self) -> str:
        """The one-time code that a relay with nobody in it prints at its start."""
        assert self.relay.process is not None
        assert self.relay.process.stdout is not None
        words = (re.search(r"first-(?!administrator)[\w-]+", line) for line in self.relay.process.stdout)
        return next(found[0] for found in words if found)


@contextmanager
def stage(folder: Path, *, is_fresh: bool = False, is_empty: bool = False, more: str = "") -> Iterator[Stage]:
    """A relay for the block. is_fresh: with nobody in it, as after installing. is_empty: with no object,
    and no connector in the settings.

    more: TOML for the settings.
    """
    port = free_port()
    with Sink(*EVERYTHING) as sink:
        connectors = "" if is_empty else LOOPBACK
        relay = Relay(folder, sink.port, more=CONSOLE.format(port=port) + more, connectors=connectors)
        if not is_fresh:
            _people(folder / "data", relay)
        if not (is_fresh or is_empty):
            _objects(relay)
        with relay:
            if not (is_fresh or is_empty):
                _mail(relay)
            yield Stage(relay, sink, f"http://127.0.0.1:{port}")


def _people(data: Path, relay: Relay) -> None:
    directory = Directory.open(data)
    hashed = hash_password(PASSWORD)
    with local_office(relay.config, "cli") as office:
        settings = office.settings
    with directory.change(settings, Author("test", "cli", "test")) as change:
        for name, group in PEOPLE.items():
            add_administrator(change, name, password_hash=hashed)
            add_member(change, group, name)
        add_administrator(change, "fay", organization="fabrikam", password_hash=hashed)
        add_member(change, "Organization Management", "fay")
    directory.close()


def _objects(relay: Relay) -> None:
    with local_office(relay.config, "cli") as office:
        for cmdlet, parameters in OBJECTS:
            office.execute(find(cmdlet), parameters)


def _mail(relay: Relay) -> None:
    """Messages that are taken, and one that is refused."""
    with smtplib.SMTP("127.0.0.1", relay.port, timeout=20) as client:
        for number in range(3):
            text = f"From: app@contoso.test\r\nTo: eva@partner.test\r\nSubject: Invoice {number}\r\n\r\nHello.\r\n"
            client.sendmail("app@contoso.test", ["eva@partner.test"], text)
        client.docmd("MAIL FROM:<app@contoso.test>")
        client.docmd("RCPT TO:<not an address>")
