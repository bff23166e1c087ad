"""The seed: four snippets of an article on SMTP relay in Office 365, run as they stand, against a relay of ours.

Two make a connector, two try it with a recipient inside and one outside. Only placeholders are filled in.
"""

import os
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import cast

import pytest

from staffetta.net.authority import issue, make_root, new_key, to_pfx
from tests.live.relay import PATIENCE_SECONDS, Relay
from tests.live.sink import Sink

pytestmark = pytest.mark.live

SNIPPETS = Path(__file__).parent / "article"
SENDER, INSIDE, OUTSIDE = "ada@contoso.test", "bob@contoso.test", "eve@outside.example"
PASSWORD = "of the PFX"
SETTINGS = """
hostname = "relay.test"
data_dir = "data"
default_route = "outside"

[[listeners]]
name = "relay"
address = "127.0.0.1:{port}"
certificate = "server.pem"
private_key = "server.pem"

[[accepted_domains]]
name = "contoso.test"
route = "mailboxes"

[[routes]]
name = "mailboxes"
transport = "maildir"
path = "mailboxes"

[[routes]]
name = "outside"
next_hops = [{{ host = "127.0.0.1", port = {next_port} }}]
tls = "none"
"""


@dataclass
class ArticleRelay(Relay):
    """Takes mail for contoso.test into mailboxes, and has no connector."""

    wrapper: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        now = datetime.now(UTC)
        root = make_root("Public CA", now)
        server = issue(root, ["localhost"], new_key(), now, 30)
        client = issue(root, ["*.contoso.test"], new_key(), now, 30)
        (self.folder / "ca.pem").write_bytes(root.certificate_pem)
        (self.folder / "server.pem").touch(mode=0o600)
        (self.folder / "server.pem").write_bytes(server.certificate_pem + server.key_pem)
        pfx = to_pfx(client, root.certificate, "contoso", PASSWORD, is_legacy=False)
        (self.folder / "cert.pfx").write_bytes(pfx)
        # The article's certificate is of a public authority: for this process, ours is one.
        self.wrapper = ["env", f"SSL_CERT_FILE={self.folder / 'ca.pem'}"]
        self.write_settings()

    def write_settings(self) -> None:
        self.config.write_text(SETTINGS.format(port=self.port, next_port=self.next_port), encoding="utf-8")

    def shell(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `staffetta shell`."""
        return subprocess.run(
            [sys.executable, "-m", "staffetta", "shell", *arguments, "--config", str(self.config)],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            env={**os.environ, "STAFFETTA_CA": str(self.folder / "ca.pem")},
            stdin=subprocess.DEVNULL,
        )

    def snippet(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run a snippet of the article with its placeholders filled in."""
        text = (SNIPPETS / name).read_text(encoding="utf-8")
        for placeholder, value in (
            ("110.x.x.x", "127.0.0.1"),
            ("*.YourDomain.com", "*.contoso.test"),
            ("<tenant>.mail.protection.outlook.com", "localhost"),
            ("'25'", f"'{self.port}'"),
            ("From = ''", f"From = '{SENDER}'"),
            ("To = '',''", f"To = '{INSIDE}','{OUTSIDE}'"),
            ("To.Add('')\n$emailMessage.To.Add('')", f"To.Add('{INSIDE}')\n$emailMessage.To.Add('{OUTSIDE}')"),
            ("C:\\Certificate\\cert.pfx", str(self.folder / "cert.pfx")),
            ("<cert password here>", PASSWORD),
        ):
            text = text.replace(placeholder, value)
        script = self.folder / name
        script.write_text(text, encoding="utf-8")
        return self.shell(str(script))

    def mailbox(self, address: str) -> list[EmailMessage]:
        local_part, _, domain = address.partition("@")
        files = sorted((self.folder / "mailboxes" / domain / local_part / "new").glob("*"))
        return [read(file.read_bytes()) for file in files]

    def wait_for_mail(self, address: str, count: int) -> list[EmailMessage]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(messages := self.mailbox(address)) < count:
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)
        return messages

    def wait_until_relaying(self, is_relaying: bool) -> None:
        """A change of the console reaches the relay within a second; ask from this address, in clear, until it has."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=PATIENCE_SECONDS) as client:
                client.ehlo("client.test")
                client.mail(SENDER)
                code, _ = client.rcpt(OUTSIDE)
            if (code == 250) is is_relaying:
                return
            assert time.monotonic() < deadline, self.log
            time.sleep(0.1)


def read(content: bytes) -> EmailMessage:
    return cast(EmailMessage, message_from_bytes(content, policy=SMTP))


@pytest.fixture(scope="module")
def outside(folder: Path) -> Iterator[Sink]:
    """A mail host that knows nothing of notifications, so that ours must say that the message was relayed."""
    with Sink("8BITMIME", "PIPELINING") as outside:
        yield outside


@pytest.fixture(scope="module")
def relay(folder: Path, outside: Sink) -> Iterator[ArticleRelay]:
    with ArticleRelay(folder, outside.port) as relay:
        yield relay


def test_without_a_connector_only_the_inside_is_reached(relay: ArticleRelay, outside: Sink) -> None:
    done = relay.snippet("test_by_address.ps1")
    assert done.returncode == 1
    assert f"{OUTSIDE}: Mailbox unavailable. The server response was: 5.7.64" in done.stderr
    assert "The others have the message." in done.stderr
    assert outside.arrivals == []


def test_the_connector_by_address_relays_and_success_is_notified(relay: ArticleRelay, outside: Sink) -> None:
    before = len(relay.mailbox(INSIDE)), len(relay.mailbox(SENDER))
    made = relay.snippet("connector_by_address.ps1")
    assert made.returncode == 0, made.stderr
    assert "SMTP Relay" in made.stdout
    relay.wait_until_relaying(True)

    sent = relay.snippet("test_by_address.ps1")

    assert (sent.returncode, sent.stdout, sent.stderr) == (0, "", "")
    inside = relay.wait_for_mail(INSIDE, before[0] + 1)[-1]
    assert inside["Subject"].startswith("SMTP Relay - ")
    (arrival,) = outside.wait_for(1)
    assert [path.address for path in arrival.recipients] == [OUTSIDE]
    assert read(arrival.content)["Subject"] == inside["Subject"]
    notifications = relay.wait_for_mail(SENDER, before[1] + 2)
    subjects = {notification["Subject"].partition(":")[0] for notification in notifications}
    assert {"Delivered", "Relayed"} <= subjects


def test_the_connector_by_certificate_relays_over_tls(relay: ArticleRelay, outside: Sink) -> None:
    removed = relay.shell("--command", "Get-InboundConnector 'SMTP Relay' | Remove-InboundConnector -Confirm:$false")
    assert removed.returncode == 0, removed.stderr
    relay.wait_until_relaying(False)
    refused = relay.snippet("test_by_certificate.ps1")
    assert f"{OUTSIDE}: Mailbox unavailable. The server response was: 5.7.64" in refused.stderr
    before = len(relay.mailbox(INSIDE)), len(outside.arrivals)
    made = relay.snippet("connector_by_certificate.ps1")
    assert made.returncode == 0, made.stderr
    shown = relay.shell("--command", "Get-InboundConnector | Format-List Name,RequireTls,TlsSenderCertificateName")
    assert "TlsSenderCertificateName : *.contoso.test" in shown.stdout

    deadline = time.monotonic() + PATIENCE_SECONDS
    while (sent := relay.snippet("test_by_certificate.ps1")).returncode:  # the change is a second on its way
        assert time.monotonic() < deadline, sent.stderr + relay.log
    assert (sent.stdout, sent.stderr) == ("", "")

    (arrival,) = outside.wait_for(before[1] + 1)[before[1] :]
    assert read(arrival.content)["Subject"].startswith("SMTP Relay (TLS) - ")
    assert relay.wait_for_mail(INSIDE, before[0] + 1)[-1]["Subject"] == read(arrival.content)["Subject"]
