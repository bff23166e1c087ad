"""The story: a device without TLS, a local relay, a service with connectors, a mailbox, the outside, notifications.

Every step is told before it is done, with the command that does it; what is told as a command is run as one.
"""

import shlex
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import dataclass
from email.message import Message
from io import StringIO
from pathlib import Path

from staffetta.demo import set_up, stage
from staffetta.demo.set_up import ELSEWHERE, INSIDE, CannotPlay, Files

_YOU = "you"
_TO = ("--to", ELSEWHERE)
_NOTIFICATIONS = 2  # one tells of the mailbox, one of the outside host


@dataclass(slots=True)
class Story:
    """tell: takes a line. run: carries out a command line of ours and returns its status. typed: our program's name."""

    files: Files
    tell: Callable[[str], None]
    run: Callable[[Sequence[str]], int]
    typed: str
    steps: int = 0

    def play(self, relays: stage.Relays) -> None:
        """From an empty folder to the hops of both messages; the relays run on. Raises CannotPlay."""
        began = time.monotonic()
        stage.refuse_taken_ports()
        self.files.write()
        self.tell(f"Everything stands in {self.files.folder}; nothing leaves this machine.")
        self._make_certificates()
        self._step("Start the local relay, and the service's front door and hub")
        configs = (self.files.relay, self.files.front_door, self.files.hub)
        for config in configs:
            self._tell_command("serve", "--config", str(config))
        relays.start(configs)
        self._by_address()
        self._by_certificate()
        self.tell(f"\nDone in {time.monotonic() - began:.0f} s.")

    def tell_what_next(self) -> None:
        """What to click and type at, while everything is up."""
        front_door, relay = str(self.files.front_door), str(self.files.relay)
        self._step("An administrator for the console of the front door")
        self._do("administrator", "add", _YOU, "--config", front_door)
        group = ("Organization Management", "--member", _YOU)
        self._do("rolegroup", "add-member", *group, "--config", front_door, is_quiet=True)
        self.tell("\nEverything is up. To look around, in another terminal:")
        device = ("--server", "127.0.0.1", "--port", str(set_up.RELAY), "--source", set_up.PRINTER)
        for title, arguments in (
            ("Be the printer, and see all that is said", ("send", *device, "--from", "printer@contoso.test", *_TO)),
            ("Which mail went where", ("trace", "--recipient", ELSEWHERE, "--config", relay)),
            ("The relay's road, end to end", ("probe", "--route", "by-certificate", *_TO, "--config", relay)),
            ("Who may send in, at the service", ("run", "Get-InboundConnector", "--config", front_door)),
            (
                "Whether the relay is what the connector names",
                ("connector", "test", "SMTP Relay", "--ip", set_up.BY_ADDRESS, "--config", front_door),
            ),
            ("Cmdlets", ("shell", "--config", front_door)),
        ):
            self.tell(f"  {title}:")
            self._tell_command(*arguments, is_inner=True)
        self.tell(f"  The service's console: http://127.0.0.1:{set_up.FRONT_DOOR_WEB}/  (sign in as {_YOU})")
        self.tell("\nCtrl-C ends the demo; a second one does not wait for the relays.")

    def _make_certificates(self) -> None:
        folder, config = self.files.folder, ("--config", str(self.files.front_door))
        self._step("An authority; a certificate for the service, and one for the relay, as PFX")
        password = ("--password-file", str(folder / "pfx-password"))
        for arguments in (
            ("init",),
            ("issue", set_up.ENDPOINT),
            ("export", set_up.ENDPOINT, "--pem", str(folder / "front-door.pem")),
            ("issue", set_up.CLIENT_NAME),
            ("export", set_up.CLIENT_NAME, "--pfx", str(folder / "relay.pfx"), *password),
            ("export", set_up.CLIENT_NAME, "--pem", str(self._identity)),
        ):
            self._do("ca", *arguments, *config, is_quiet=True)

    @property
    def _identity(self) -> Path:
        return self.files.folder / "relay.pem"

    def _by_address(self) -> None:
        self._step("A connector at the service: it knows the relay by its address")
        self._make_connector(self.files.by_address)
        self.tell(f"  The front door to the relay at its address: {stage.wait_until_let_in(None)}")
        self._send_and_follow("printer@contoso.test", set_up.PRINTER, "SMTP Relay")

    def _by_certificate(self) -> None:
        self._step("A second connector: it knows the relay by its TLS client certificate, wherever it comes from")
        self._make_connector(self.files.by_certificate)
        self.tell(f"  The front door to the relay with its certificate: {stage.wait_until_let_in(self._identity)}")
        self._send_and_follow("erp@contoso.test", set_up.ERP, "SMTP Relay (TLS)")

    def _make_connector(self, script: Path) -> None:
        self.tell("".join(f"    {line}\n" for line in script.read_text().splitlines()).rstrip())
        self._do("shell", str(script), "--config", str(self.files.front_door))

    def _send_and_follow(self, sender: str, address: str, subject: str) -> None:
        message_id = f"{sender.partition('@')[0]}-{time.time_ns()}@contoso.test"
        self._step(f"{sender} ({address}), which knows no TLS, sends to {INSIDE} and {ELSEWHERE}")
        said = stage.send(sender, address, subject, message_id)
        self.tell(f"  SMTP in clear to 127.0.0.1:{set_up.RELAY}, NOTIFY=SUCCESS,FAILURE; the relay: {said}")
        (inside,) = stage.arrived(self.files.mailbox(INSIDE), message_id)
        self.tell(f"  In the mailbox of {INSIDE}: {inside['X-File']}")
        (outside,) = stage.arrived(self.files.outside, message_id)
        self.tell(f"  At the outside host, for {ELSEWHERE}: {outside['X-File']}")
        for notification in stage.arrived(self.files.mailbox(sender), message_id, _NOTIFICATIONS):
            self.tell(f"  Back to {sender}: {_told(notification)}")
        self._step("The road of the message that arrived outside, by its headers")
        self._do("headers", outside["X-File"])

    def _step(self, title: str) -> None:
        self.steps += 1
        self.tell(f"\n{self.steps}. {title}")

    def _tell_command(self, *arguments: str, is_inner: bool = False) -> None:
        self.tell(f"{'    ' if is_inner else '  '}$ {self.typed} {shlex.join(arguments)}")

    def _do(self, *arguments: str, is_quiet: bool = False) -> None:
        self._tell_command(*arguments)
        with redirect_stdout(StringIO()) if is_quiet else nullcontext():
            status = self.run(arguments)
        if status:
            raise CannotPlay(f"That command ended with status {status}; the demo cannot go on.")


def _told(notification: Message) -> str:
    """A notification's subject, and what it says of which recipient (RFC 3464 §2.3)."""
    blocks = [
        block
        for part in notification.walk()
        if part.get_content_type() == "message/delivery-status"
        for block in part.get_payload()
        if isinstance(block, Message) and block["Action"]
    ]
    said = [f"{block['Final-Recipient'].partition(';')[2].strip()} {block['Action']}" for block in blocks]
    return f"“{notification['Subject']}” ({', '.join(said)})"
