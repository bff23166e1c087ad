"""What goes wrong at next hops, as docs/delivery.md says: real peers, one relay with a route to each of them.

A cell is a peer that misbehaves, or a wire that does; the document's table says what must come of it.
"""

import asyncio
import contextlib
import re
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from staffetta.net.tls import ServerContext
from staffetta.settings.passwords import hash_password
from tests.certificates import CLIENT, SERVER, Made, authority, make, pem
from tests.fakes.entra import TokenEndpoint
from tests.fakes.front_door import Connector, Fault, FrontDoor, Script
from tests.live import postfix
from tests.live.clients import send_with_smtplib
from tests.live.conftest import need
from tests.live.interference import Trouble, Wire
from tests.live.mail import LINE, Mail, message
from tests.live.postfix import Postfix
from tests.live.relay import PATIENCE_SECONDS, Relay, open_folder
from tests.live.sink import EVERYTHING, Sink
from tests.ports import free_port

pytestmark = pytest.mark.live

RETRY_SECONDS = 600.0
UNKNOWN_SECONDS = 900.0
REPLY_SECONDS = 2
QUEUE = f"[queue]\nretry_first_seconds = {RETRY_SECONDS}\nunknown_retry_seconds = {UNKNOWN_SECONDS}\n"
EVENTS = {"delivered": "Send", "deferred": "Defer", "failed": "Fail", "unknown": "Unknown"}

ROOT = authority("Matrix Root")
STRANGER = authority("Matrix Stranger")
GOOD = make("mail.matrix.test", issuer=ROOT, usages=(SERVER,))
EXPIRED = make("mail.matrix.test", issuer=ROOT, usages=(SERVER,), days=(-30, -2))
OURS = make("relay.matrix.test", issuer=STRANGER, usages=(CLIENT,))

VERIFIED = 'tls = "verified"\ntrusted_authority = "matrix"\n'
NAMED = VERIFIED + 'tls_names = ["mail.matrix.test"]\n'
LOST = 'client_certificate = "client/lost.pem"\n'
SHOWN = 'client_certificate = "client/certificate.pem"\nclient_key = "client/key.pem"\n'


def login(mechanism: str, secret: str = "wrong") -> str:
    """secret: the file that it is in, beside the relay's settings."""
    who = 'user_name = "ada@contoso.test"'
    return f'authentication = {{ mechanism = "{mechanism}", {who}, password = "file:{{folder}}/{secret}" }}\n'


@dataclass
class Cell:
    """row: of the document. route: TOML of its keys. received: fields that the message already has."""

    row: str
    port: int
    route: str = 'tls = "none"\n'
    host: str = "127.0.0.1"
    recipients: int = 1
    received: int = 0
    name: str = ""


Cells = dict[str, Cell]


@pytest.fixture
def certificates() -> Iterator[Path]:
    folder = open_folder()
    for name, made in {"good": GOOD, "expired": EXPIRED}.items():
        made.write(folder / name)
    (folder / "root.pem").write_bytes(pem(ROOT.certificate))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def on_wires(stack: contextlib.ExitStack, port: int) -> Cells:
    """What the network does on the way to a good next hop."""

    def wire(trouble: Trouble, **how: float) -> int:
        return stack.enter_context(Wire(port, trouble, **how)).port

    return {
        "lost": Cell("the reply lost after the final dot", wire(Trouble.LOST)),
        "hole": Cell("a black hole", wire(Trouble.BLACK_HOLE)),
        "drip": Cell("a next hop that drips, in time", wire(Trouble.DRIP)),
        "slow": Cell("a next hop that drips, too slowly", wire(Trouble.DRIP, drip_seconds=0.5)),
    }


def anywhere(clear: int, tls: int, offers_login: int, mechanism: str = "plain") -> Cells:
    """What has little to do with who the next hop is. Ports: of the peer, in clear, with TLS, and where one logs in."""
    return {
        "plain": Cell("delivered in clear", clear),
        "tls": Cell("delivered in TLS", tls, NAMED),
        "name": Cell("a certificate of another name", tls, VERIFIED),
        "login": Cell("a login refused", offers_login, NAMED + login(mechanism)),
        "nobody": Cell("nobody listens", free_port()),
        "certificate-lost": Cell("a certificate of ours that cannot be read", tls, NAMED + LOST),
        "secret-lost": Cell("a secret of ours that cannot be read", offers_login, NAMED + login(mechanism, "lost")),
    }


# Postfix: a service on a port of its own for each kind of trouble.

POSTFIX_SASL = "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN\nsasldb_path: {folder}/none\n"


def postfix_services(folder: Path) -> dict[str, dict[str, str]]:
    def tls(name: str) -> dict[str, str]:
        return {
            "smtpd_tls_security_level": "encrypt",
            "smtpd_tls_cert_file": f"{folder}/{name}/certificate.pem",
            "smtpd_tls_key_file": f"{folder}/{name}/key.pem",
        }

    def refusing(where: str, reply: str) -> dict[str, str]:
        return {f"smtpd_{where}_restrictions": f"check_client_access static:{{{reply}}}"}

    return {
        "plain": {},
        "tls": tls("good"),
        "expired": tls("expired"),
        "asks": tls("good") | {"smtpd_tls_req_ccert": "yes", "smtpd_tls_CAfile": f"{folder}/root.pem"},
        "knows": tls("good")
        | {"smtpd_tls_ask_ccert": "yes", "smtpd_tls_fingerprint_digest": "sha256"}
        | {"smtpd_recipient_restrictions": f"check_ccert_access texthash:{folder}/unwanted"},
        "530": refusing("sender", "530 5.7.0 log in first") | {"smtpd_delay_reject": "no"},
        "end": refusing("end_of_data", "554 5.7.1 not this"),
        "login": tls("good") | {"smtpd_sasl_auth_enable": "yes", "cyrus_sasl_config_path": f"{folder}/sasl"},
        "421": refusing("client", "421 4.3.2 not now") | {"smtpd_delay_reject": "no"},
        "4yz": refusing("recipient", "450 4.2.1 mailbox busy"),
        "5yz": refusing("data", "554 5.7.1 not this"),
    }


@contextlib.contextmanager
def postfix_cells(sink: Sink, certificates: Path) -> Iterator[Cells]:
    need(postfix.missing())
    (certificates / "sasl").mkdir()
    (certificates / "sasl" / "smtpd.conf").write_text(POSTFIX_SASL.format(folder=certificates))
    fingerprint = OURS.certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    (certificates / "unwanted").write_text(f"{fingerprint} 550 5.7.1 not with this certificate\n")
    services = {free_port(): overrides for overrides in postfix_services(certificates).values()}
    ports = dict(zip(postfix_services(certificates), services, strict=True))
    with contextlib.ExitStack() as stack:
        stack.enter_context(Postfix(sink.port, services=services))
        yield {
            **anywhere(ports["plain"], ports["tls"], ports["login"]),
            "bare": Cell("TLS required, and not offered", ports["plain"], 'tls = "required"\n'),
            "expired": Cell("a certificate that has expired", ports["expired"], NAMED),
            "misses": Cell("our certificate refused by a good-bye", ports["asks"], NAMED),
            "mistrusts": Cell("our certificate refused by a good-bye", ports["asks"], NAMED + SHOWN),
            "knows": Cell("our certificate refused by a reply", ports["knows"], NAMED + SHOWN),
            "530": Cell("a login wanted at MAIL", ports["530"]),
            "421": Cell("421 at connect", ports["421"]),
            "4yz": Cell("4yz at RCPT", ports["4yz"]),
            "5yz": Cell("5yz at DATA", ports["5yz"]),
            "end": Cell("5yz after the content", ports["end"]),
            **on_wires(stack, ports["plain"]),
        }


# Our own server.

OWN = """
[[listeners]]
name = "expired"
address = "127.0.0.1:{expired}"
certificate = "{folder}/expired/certificate.pem"
private_key = "{folder}/expired/key.pem"

[[listeners]]
name = "good"
address = "127.0.0.1:{good}"
certificate = "{folder}/good/certificate.pem"
private_key = "{folder}/good/key.pem"

[[listeners]]
name = "submission"
kind = "submission"
address = "127.0.0.1:{submission}"
certificate = "{folder}/good/certificate.pem"
private_key = "{folder}/good/key.pem"

[[accounts]]
user_name = "ada@contoso.test"
password_hashes = ["{hashed}"]

[[trusted_authorities]]
name = "matrix"
certificates = "{folder}/root.pem"

[limits]
recipients_max = 1
"""
OWN_CONNECTORS = """
[[inbound_connectors]]
name = "Loopback"
sender_ip_addresses = ["127.0.0.1"]

[[inbound_connectors]]
name = "Certificate"
tls_sender_certificate_name = "relay.matrix.test"
require_tls = true
trusted_authority = "matrix"
"""


@contextlib.contextmanager
def own_cells(sink: Sink, certificates: Path) -> Iterator[Cells]:
    ports = {name: free_port() for name in ("good", "expired", "submission")}
    more = OWN.format(folder=certificates, hashed=hash_password("right horse"), **ports)
    with contextlib.ExitStack() as stack:
        for name in ("own", "full"):
            (certificates / name).mkdir()
        own = stack.enter_context(Relay(certificates / "own", sink.port, more=more, connectors=OWN_CONNECTORS))
        full = Relay(certificates / "full", sink.port, more="\n[limits]\nconnections_max = 1\n")
        stack.enter_context(full)
        stripped = stack.enter_context(Wire(own.port, Trouble.STRIPPED))  # it always offers STARTTLS
        stack.enter_context(socket.create_connection(("127.0.0.1", full.port))).recv(1)
        yield {
            **anywhere(own.port, ports["good"], ports["submission"]),
            "bare": Cell("TLS required, and not offered", stripped.port, 'tls = "required"\n'),
            "expired": Cell("a certificate that has expired", ports["expired"], NAMED),
            "asks": Cell(
                "our certificate refused by a reply",
                ports["good"],
                NAMED + SHOWN + 'source_addresses = ["127.0.0.2"]\n',
            ),
            "530": Cell("a login wanted at MAIL", ports["submission"], NAMED),
            "421": Cell("421 at connect", full.port),
            "4yz": Cell("4yz at RCPT", own.port, recipients=2),
            "5yz": Cell("5yz after the content", own.port, received=50),
            **on_wires(stack, own.port),
        }


# The one that plays Exchange.


def answering(step: str, answer: bytes | Fault) -> Script:
    return lambda asked, line: answer if asked == step else None


@contextlib.contextmanager
def exchange_cells(sink: Sink, certificates: Path) -> Iterator[Cells]:
    def door(made: Made = GOOD, *, by_address: bool = True, **how: object) -> FrontDoor:
        context = ServerContext.load(pem(made.certificate, *made.chain), made.key_pem)
        connector = Connector(("127.0.0.0/8",)) if by_address else Connector(certificate_name="other.matrix.test")
        return FrontDoor(context, accepted_domains=("contoso.test",), connectors=[connector], **how)  # type: ignore[arg-type]

    mailbox = {"tokens": TokenEndpoint([]), "passwords": {"ada@contoso.test": "right horse"}}
    doors = {
        "plain": door(),
        "bare": door(script=lambda step, line: b"250 bare\r\n" if step == "EHLO" else None),
        "expired": door(EXPIRED),
        "asks": door(by_address=False),
        "login": door(**mailbox),
        "421": door(script=answering("CONNECT", b"421 4.3.2 Service not available\r\n")),
        "4yz": door(script=answering("RCPT", b"451 4.7.500 Server busy\r\n")),
        "5yz": door(script=answering("DATA", b"554 5.7.1 Not this\r\n")),
        "end": door(script=answering("CONTENT", b"554 5.2.0 Not this\r\n")),
        "lost": door(script=answering("CONTENT", Fault.LOST)),
        "hole": door(script=answering("CONNECT", Fault.SILENCE)),
        "drip": door(script=lambda step, line: Fault.DRIP, drip_seconds=0.001),
        "slow": door(script=answering("CONNECT", Fault.DRIP), drip_seconds=0.5),
    }
    with in_a_thread(doors):
        yield {
            **anywhere(doors["plain"].port, doors["plain"].port, doors["login"].port, "login"),
            "bare": Cell("TLS required, and not offered", doors["bare"].port, 'tls = "required"\n'),
            "expired": Cell("a certificate that has expired", doors["expired"].port, NAMED),
            "asks": Cell("our certificate refused by a reply", doors["asks"].port, NAMED + SHOWN),
            "login": Cell("a login refused", doors["login"].port, NAMED + login("login")),
            "530": Cell("a login wanted at MAIL", doors["login"].port, NAMED),
            "421": Cell("421 at connect", doors["421"].port),
            "4yz": Cell("4yz at RCPT", doors["4yz"].port),
            "5yz": Cell("5yz at DATA", doors["5yz"].port),
            "end": Cell("5yz after the content", doors["end"].port),
            "lost": Cell("the reply lost after the final dot", doors["lost"].port),
            "hole": Cell("a black hole", doors["hole"].port),
            "drip": Cell("a next hop that drips, in time", doors["drip"].port),
            "slow": Cell("a next hop that drips, too slowly", doors["slow"].port),
        }


@contextlib.contextmanager
def in_a_thread(doors: dict[str, FrontDoor]) -> Iterator[None]:
    """Have the doors listen in a loop of its own."""
    is_open = threading.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with contextlib.AsyncExitStack() as stack:
            for door in doors.values():
                await stack.enter_async_context(door.listening())
            is_open.set()
            await over.wait()

    over = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert is_open.wait(PATIENCE_SECONDS)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(PATIENCE_SECONDS)


# OpenSSL's own way, which none of those goes: no handshake without a client's certificate that it trusts.


@contextlib.contextmanager
def openssl_cells(sink: Sink, certificates: Path) -> Iterator[Cells]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "good" / "certificate.pem", certificates / "good" / "key.pem")
    context.load_verify_locations(certificates / "root.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    with Sink(*EVERYTHING, tls=context) as strict:
        yield {
            "mistrusts": Cell("our certificate refused, or missed, in the handshake", strict.port, NAMED + SHOWN),
            "misses": Cell("our certificate refused, or missed, in the handshake", strict.port, NAMED),
        }


# The relay, and what it must say.

PEERS = {"Postfix": postfix_cells, "Staffetta": own_cells, "Exchange": exchange_cells, "OpenSSL": openssl_cells}


@dataclass(frozen=True)
class Row:
    """A row of the document's table."""

    outcome: str
    whose: str
    status: str
    stage: str
    says: str = field(default="")


def table_after(heading: str) -> list[list[str]]:
    """The rows of the first table after a heading of the document, without its head."""
    text = (Path(__file__).parents[2] / "docs" / "delivery.md").read_text()
    section = text.partition(f"{heading}\n")[2].partition("\n#")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:2] == "| "]
    return rows[2:]


DOCUMENT = {name: Row(*rest) for name, *rest in table_after("## When something goes wrong")}
NOT_WITH = {(peer, row) for row, peers, _ in table_after("### With whom it is tried") for peer in peers.split(", ")}


def rows_of(peer: str) -> set[str]:
    """What the document says that is tried with a peer."""
    return {name for name in DOCUMENT if (peer, name) not in NOT_WITH and (peer != "OpenSSL" or "handshake" in name)}


def routes_to(cells: Cells) -> str:
    text = f"[delivery]\nreply_timeout_seconds = {REPLY_SECONDS}\n"
    text += '[[trusted_authorities]]\nname = "matrix"\ncertificates = "root.pem"\n'
    for name, cell in cells.items():
        text += f'[[routes]]\nname = "{name}"\n{cell.route}'
        text += f'next_hops = [{{ host = "{cell.host}", port = {cell.port} }}]\n'
        text += f'[[accepted_domains]]\nname = "{name}.test"\ntype = "InternalRelay"\nroute = "{name}"\n'
    return text


def mail_for(name: str, cell: Cell) -> Mail:
    message_id = f"{name}@matrix.test"
    earlier = b"Received: from a by b; Tue, 24 Nov 2026 10:00:00 +0000\r\n" * cell.received
    recipients = tuple(f"user{number}@{name}.test" for number in range(cell.recipients))
    return Mail(message_id, earlier + message(message_id, LINE), recipients)


def last_words(relay: Relay, mail: Mail) -> dict[str, object]:
    """Wait for the outcome of the message's last recipient, and return its first event of those that tell outcomes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        for row in relay.trace("--message-id", mail.message_id):
            for event in row["events"]:  # type: ignore[attr-defined]
                if row["recipient"] == mail.recipients[-1] and event["event"] in EVENTS.values():
                    return {**event, "row": row}
        assert time.monotonic() < deadline, relay.log
        time.sleep(0.2)


def problems(row: Row, event: dict[str, object]) -> list[str]:
    """What an event does not say as the document has it."""
    found = problems_of_attempt(event)
    if event["event"] != EVENTS[row.outcome]:
        found.append(f"the event is not {EVENTS[row.outcome]}")
    if not re.fullmatch(row.status.replace(".", r"\.").replace("x", r"\d+"), str(event["status"])):
        found.append(f"the status is not {row.status}")
    if event["stage"] != row.stage:
        found.append(f"the stage is not {row.stage}")
    if row.says.strip("`") not in str(event["reply"]):
        found.append(f"the reply does not say {row.says}")
    wait_seconds = {"deferred": RETRY_SECONDS, "unknown": UNKNOWN_SECONDS}.get(row.outcome)
    again_at = event.get("next_attempt_at") or event["row"]["next_attempt_at"]  # type: ignore[index]
    if (wait_seconds is None) is not (again_at is None):
        found.append(f"it is tried again: {again_at}")
    elif wait_seconds is not None:
        wait = seconds(again_at) - seconds(event["at"])
        if not wait_seconds * 0.89 <= wait <= wait_seconds * 1.11:
            found.append(f"it is tried again after {wait:.1f} s")
    return found


def assert_it_is_met_by_whom_the_document_says(relay: Relay, cells: Cells) -> None:
    """The next message is tried where the trouble was a recipient's, and waits where it was the destination's."""
    others = {
        name: replace(mail_for(name, cell), message_id=f"next-{name}@matrix.test")
        for name, cell in cells.items()
        if DOCUMENT[cell.row].outcome == "deferred"
    }
    for name, mail in others.items():
        content = mail.content.replace(f"<{name}@matrix.test>".encode(), f"<{mail.message_id}>".encode())
        send_with_smtplib(replace(mail, content=content), relay.port)
    of_recipients = [name for name in others if DOCUMENT[cells[name].row].whose == "recipient"]
    for name in of_recipients:
        last_words(relay, others[name])
    rows = {(str(row["message_id"]).strip("<>"), row["recipient"]): row for row in relay.trace("--limit", "1000")}
    for name in others.keys() - set(of_recipients):
        row = rows[others[name].message_id, others[name].recipients[-1]]
        told = [event["event"] for event in row["events"]]  # type: ignore[attr-defined]
        assert (row["attempts"], told) == (0, ["Receive"]), (name, row)


CONNECTION = ("host", "address", "tls", "tls_policy", "tls_verified", "tls_names", "tls_fingerprint")


def problems_of_attempt(event: dict[str, object]) -> list[str]:
    """Where the content was about to leave, the attempt tells the connection as its outcome does."""
    events: list[dict[str, object]] = event["row"]["events"]  # type: ignore[index]
    attempts = [each for each in events if each["event"] == "Attempt"]
    if not attempts and event["stage"] in ("data", "final dot"):
        return ["there is no attempt"]
    about = {key: event.get(key) for key in CONNECTION}
    if attempts and {key: attempts[-1].get(key) for key in CONNECTION} != about:
        return [f"the attempt tells {attempts[-1]}, and its outcome {about}"]
    return [] if event.get("tls_policy") or event["stage"] in ("connect", "tls") else ["no policy is told"]


def seconds(at: object) -> float:
    return float(at) if isinstance(at, int | float) else datetime.fromisoformat(str(at)).timestamp()


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = open_folder()
    OURS.write(folder / "client")
    (folder / "root.pem").write_bytes(pem(ROOT.certificate))
    (folder / "wrong").touch(mode=0o600)
    (folder / "wrong").write_text("wrong horse\n")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("peer", PEERS)
def test_what_goes_wrong_at_next_hops_ends_as_the_document_says(peer: str, folder: Path, certificates: Path) -> None:
    with Sink(*EVERYTHING) as sink, PEERS[peer](sink, certificates) as given:
        assert {cell.row for cell in given.values()} == rows_of(peer)
        cells = {
            f"{peer.lower()}-{name}": replace(cell, route=cell.route.replace("{folder}", str(folder)))
            for name, cell in given.items()
        }
        with Relay(folder, sink.port, more=routes_to(cells), queue=QUEUE) as relay:
            mails = {name: mail_for(name, cell) for name, cell in cells.items()}
            for mail in mails.values():
                send_with_smtplib(mail, relay.port)
            found = {}
            for name, cell in cells.items():
                event = last_words(relay, mails[name])
                if wrongs := problems(DOCUMENT[cell.row], event):
                    found[name] = (wrongs, event["event"], event["status"], event["stage"], event["reply"])
            assert found == {}
            assert_it_is_met_by_whom_the_document_says(relay, cells)
