"""The demo's players: three relays in processes of their own, and devices that speak SMTP to them."""

import smtplib
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.policy import SMTP
from pathlib import Path
from typing import TypeVar

from staffetta.demo.set_up import BY_ADDRESS, BY_CERTIFICATE, ELSEWHERE, FRONT_DOOR, INSIDE, PORTS, RELAY, CannotPlay

T = TypeVar("T")

_PATIENCE_SECONDS = 20.0
_LOOK_AGAIN_SECONDS = 0.05
_STOP_SECONDS = 40.0  # longer than a relay's own grace


@dataclass
class Relays:
    """Relays that run until stop()."""

    running: list[tuple[Path, "subprocess.Popen[str]"]] = field(default_factory=list)

    def start(self, configs: Sequence[Path]) -> None:
        """Start one for each settings file, all at once; return when all listen. Raises CannotPlay."""
        for config in configs:
            with config.with_suffix(".log").open("w") as log:
                command = [sys.executable, "-m", "staffetta", "serve", "--config", str(config)]
                # stdout is a line that is waited for, and a few more that fit into the pipe
                # A session of its own: Ctrl-C and hanging up are said to the demo alone, which stops them.
                process = subprocess.Popen(
                    command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
                )
            self.running.append((config, process))
        for config, process in self.running:
            assert process.stdout is not None
            if "is running" not in process.stdout.readline():
                said = config.with_suffix(".log").read_text(errors="replace").strip()
                raise CannotPlay(f"The relay of {config} did not start: {said or 'it said nothing'}")

    def stop(self) -> None:
        """Tell all to stop, and wait for them. May be interrupted; then kill()."""
        for _, process in self.running:
            process.terminate()
        for _, process in self.running:
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        self.kill()

    def kill(self) -> None:
        """End at once what still runs."""
        for _, process in self.running:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
        self.running.clear()


def refuse_taken_ports() -> None:
    """Raises CannotPlay where a port of ours is taken, most likely by a demo that still runs."""
    for port in PORTS:
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError as error:
            raise CannotPlay(
                f"Port {port} of 127.0.0.1 is taken, perhaps by another demo. Stop that with Ctrl-C, then try again."
            ) from error
    try:
        with socket.socket() as tried:
            tried.bind((BY_CERTIFICATE, 0))
    except OSError as error:
        raise CannotPlay(
            f"This machine has no {BY_CERTIFICATE} on loopback, which the demo needs and Linux has."
        ) from error


def send(sender: str, address: str, subject: str, message_id: str) -> str:
    """Send one message as a device of that address does, in clear, to the relay; return its last reply.

    It asks for notifications of success and failure (RFC 3461 §4.1). Raises CannotPlay.
    """
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = sender, f"{INSIDE}, {ELSEWHERE}", subject
    message["Message-ID"] = f"<{message_id}>"
    message.set_content("This is a test email using SMTP Relay\n")
    name = sender.partition("@")[0]
    try:
        with smtplib.SMTP(
            "127.0.0.1", RELAY, local_hostname=f"{name}.contoso.test", source_address=(address, 0), timeout=20
        ) as client:
            client.ehlo()
            replies = [client.mail(sender)]
            replies += [client.rcpt(each, ["NOTIFY=SUCCESS,FAILURE"]) for each in (INSIDE, ELSEWHERE)]
            if all(code < 400 for code, _ in replies):
                replies.append(client.data(message.as_bytes()))
    except (OSError, smtplib.SMTPException) as error:
        raise CannotPlay(f"The relay did not take the message of {sender}: {error}") from error
    code, text = next((reply for reply in replies if reply[0] >= 400), replies[-1])
    said = f"{code} {text.decode('ascii', 'replace')}"
    if code >= 400:
        raise CannotPlay(f"The relay refused the message of {sender}: {said}")
    return said


def wait_until_let_in(identity: Path | None) -> str:
    """Ask the front door whether the relay may send outside, until it may; return the reply.

    A connector that was made a moment ago counts within a second. identity: PEM of certificate and key, shown in TLS;
    None: come in clear, by address.
    """

    def asked() -> str | None:
        source = BY_ADDRESS if identity is None else BY_CERTIFICATE
        with smtplib.SMTP("127.0.0.1", FRONT_DOOR, "relay.contoso.test", 20, (source, 0)) as client:
            if identity is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # asked here is only what it says
                context.load_cert_chain(identity)
                client.starttls(context=context)
            client.ehlo()
            client.mail("printer@contoso.test")
            code, text = client.rcpt(ELSEWHERE)
        return f"{code} {text.decode('ascii', 'replace')}" if code == 250 else None

    return wait_for(asked, "The connector does not let the relay in; its settings are in the console's store")


def arrived(folder: Path, message_id: str, count: int = 1) -> list[Message]:
    """Wait for messages in which that Message-ID stands, and return them with their file's path as `X-File`."""

    def found() -> list[Message] | None:
        files = sorted(folder.glob("*")) if folder.exists() else []
        octets = [(path, path.read_bytes()) for path in files]
        messages = []
        for path, content in octets:
            if message_id.encode() in content:
                message = message_from_bytes(content)
                message["X-File"] = str(path)
                messages.append(message)
        return messages if len(messages) >= count else None

    return wait_for(found, f"What was expected in {folder} did not come")


def wait_for(look: Callable[[], T | None], trouble: str) -> T:
    """Return what look() gives, once that is not None. Raises CannotPlay."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (seen := look()) is None:
        if time.monotonic() > deadline:
            raise CannotPlay(f"{trouble}, within {_PATIENCE_SECONDS:.0f} s. The logs stand beside the settings files.")
        time.sleep(_LOOK_AGAIN_SECONDS)
    return seen
