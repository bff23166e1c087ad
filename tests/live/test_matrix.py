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
from tests.live.relay import PATIENCE_SECONDS, Relay, free_port, open_folder
from tests.live.sink import EVERYTHING, Sink

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
SHOWN = 'client_certificate = "client/certificate.pem"\nclient_key = "client/key.pem"\n'


def login(mechanism: str) -> str:
    return (
        f'authentication = {{ mechanism = "{mechanism}", user_name = "ada@contoso.test", password = "file:wrong" }}\n'
    )


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
    services = {free_port(): overrides for overrides in postfix_services(certificates).values()}
    ports = dict(zip(postfix_services(certificates), services, strict=True))
    with contextlib.ExitStack() as stack:
        stack.enter_context(Postfix(sink.port, services=services))
        yield {
            "plain": Cell("delivered in clear", ports["plain"]),
            "tls": Cell("delivered in TLS", ports["tls"], NAMED),
            "bare": Cell("TLS required, and not offered", ports["plain"], 'tls = "required"\n'),
            "name": Cell("a certificate of another name", ports["tls"], VERIFIED),
            "expired": Cell("a certificate that has expired", ports["expired"], NAMED),
            "misses": Cell("our certificate refused by a good-bye", ports["asks"], NAMED),
            "mistrusts": Cell("our certificate refused by a good-bye", ports["asks"], NAMED + SHOWN),
            "login": Cell("a login refused", ports["login"], NAMED + login("plain")),
            "421": Cell("421 at connect", ports["421"]),
            "4yz": Cell("4yz at RCPT", ports["4yz"]),
            "5yz": Cell("5yz at DATA", ports["5yz"]),
            **on_wires(stack, ports["plain"]),
        }


# Our own server; and a good one in front of which OpenSSL is strict.

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


def strict_tls(certificates: Path) -> ssl.SSLContext:
    """OpenSSL's own way, which our server does not go: no handshake without a client's certificate that it trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "good" / "certificate.pem", certificates / "good" / "key.pem")
    context.load_verify_locations(certificates / "root.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


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
        strict = stack.enter_context(Sink(*EVERYTHING, tls=strict_tls(certificates)))
        stack.enter_context(socket.create_connection(("127.0.0.1", full.port))).recv(1)
        yield {
            "plain": Cell("delivered in clear", own.port),
            "tls": Cell("delivered in TLS", ports["good"], NAMED),
            "name": Cell("a certificate of another name", ports["good"], VERIFIED),
            "expired": Cell("a certificate that has expired", ports["expired"], NAMED),
            "asks": Cell(
                "our certificate refused by a reply",
                ports["good"],
                NAMED + SHOWN + 'source_addresses = ["127.0.0.2"]\n',
            ),
            "strict": Cell("our certificate refused, or missed, in the handshake", strict.port, NAMED + SHOWN),
            "misses": Cell("our certificate refused, or missed, in the handshake", strict.port, NAMED),
            "login": Cell("a login refused", ports["submission"], NAMED + login("plain")),
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
        "expired": door(EXPIRED),
        "asks": door(by_address=False),
        "login": door(**mailbox),
        "421": door(script=answering("CONNECT", b"421 4.3.2 Service not available\r\n")),
        "4yz": door(script=answering("RCPT", b"451 4.7.500 Server busy\r\n")),
        "5yz": door(script=answering("DATA", b"554 5.7.1 Not this\r\n")),
        "lost": door(script=answering("CONTENT", Fault.LOST)),
        "hole": door(script=answering("CONNECT", Fault.SILENCE)),
        "drip": door(script=lambda step, line: Fault.DRIP, drip_seconds=0.001),
        "slow": door(script=answering("CONNECT", Fault.DRIP), drip_seconds=0.5),
    }
    with in_a_thread(doors):
        yield {
            "plain": Cell("delivered in clear", doors["plain"].port),
            "tls": Cell("delivered in TLS", doors["plain"].port, NAMED),
            "name": Cell("a certificate of another name", doors["plain"].port, VERIFIED),
            "expired": Cell("a certificate that has expired", doors["expired"].port, NAMED),
            "asks": Cell("our certificate refused by a reply", doors["asks"].port, NAMED + SHOWN),
            "login": Cell("a login refused", doors["login"].port, NAMED + login("login")),
            "530": Cell("a login wanted at MAIL", doors["login"].port, NAMED),
            "421": Cell("421 at connect", doors["421"].port),
            "4yz": Cell("4yz at RCPT", doors["4yz"].port),
            "5yz": Cell("5yz at DATA", doors["5yz"].port),
            "lost": Cell("the reply lost after the final dot", doors["lost"].port),
            "hole": Cell("a black hole", doors["hole"].port),
            "drip": Cell("a next hop that drips, in time", doors["drip"].port),
            "slow": Cell("a next hop that drips, too slowly", doors["slow"].port),
            "nobody": Cell("nobody listens", free_port()),
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


# The relay, and what it must say.

PEERS = {"postfix": postfix_cells, "own": own_cells, "exchange": exchange_cells}


@dataclass(frozen=True)
class Row:
    """A row of the document's table."""

    outcome: str
    whose: str
    status: str
    stage: str
    says: str = field(default="")


def document() -> dict[str, Row]:
    text = (Path(__file__).parents[2] / "docs" / "delivery.md").read_text()
    table = text.partition("## When something goes wrong")[2].partition("###")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:2] == "| "]
    return {name: Row(outcome, whose, status, stage, says) for name, outcome, whose, status, stage, says in rows[1:]}


DOCUMENT = document()


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
    found = []
    if event["event"] != EVENTS[row.outcome]:
        found.append(f"the event is not {EVENTS[row.outcome]}")
    if not re.fullmatch(row.status.replace(".", r"\.").replace("x", r"\d+"), str(event["status"])):
        found.append(f"the status is not {row.status}")
    if event["stage"] != row.stage:
        found.append(f"the stage is not {row.stage}")
    if row.says.strip("`") not in str(event["reply"]):
        found.append(f"the reply does not say {row.says}")
    if row.outcome == "deferred":
        wait = seconds(event["next_attempt_at"]) - seconds(event["at"])
        if not RETRY_SECONDS * 0.89 <= wait <= RETRY_SECONDS * 1.11:
            found.append(f"it is tried again after {wait:.1f} s")
    return found


def seconds(at: object) -> float:
    return float(at) if isinstance(at, int | float) else datetime.fromisoformat(str(at)).timestamp()


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = open_folder()
    OURS.write(folder / "client")
    (folder / "root.pem").write_bytes(pem(ROOT.certificate))
    (folder / "wrong").write_text("wrong horse\n")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("peer", PEERS)
def test_what_goes_wrong_at_next_hops_ends_as_the_document_says(peer: str, folder: Path, certificates: Path) -> None:
    wrong = f"file:{folder}/wrong"
    with Sink(*EVERYTHING) as sink, PEERS[peer](sink, certificates) as given:
        cells = {
            f"{peer}-{name}": replace(cell, route=cell.route.replace("file:wrong", wrong))
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
