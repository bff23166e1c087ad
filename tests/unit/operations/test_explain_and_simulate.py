"""Explanation by a refusal's id, and the simulator, which decides as a live transaction does."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from staffetta.directory.store import Directory
from staffetta.mail.address import parse_mailbox
from staffetta.mail.envelope import BodyType, Recipient
from staffetta.operations.binding import bind
from staffetta.operations.errors import BadValue, NotFound
from staffetta.operations.registry import Context, execute, find
from staffetta.operations.roles import Caller, Role
from staffetta.operations.spools import open_spool
from staffetta.policy.decision import PeerCertificate, Reason
from staffetta.policy.explanation import explain
from staffetta.policy.identity import Condition
from staffetta.reception.transaction import Transaction
from staffetta.settings.model import Settings
from staffetta.settings.objects import InboundConnector
from staffetta.smtp.events import Mail, Rcpt
from staffetta.trace.events import Refusal
from tests.unit.operations.office import Office
from tests.unit.policy.pki import AT
from tests.unit.policy.test_relay import OURS, OUTSIDE, TABLE
from tests.unit.policy.world import ADDRESSES, SESSIONS, decide, settings
from tests.unit.shell.screen import Screen, screen

ALL = Caller("ada", frozenset(Role), "cli")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Directory]:
    opened = Directory.open(tmp_path_factory.mktemp("directory"))
    yield opened
    opened.close()


def simulated(directory: Directory, given: Settings, **parameters: object) -> dict[str, object]:
    context = Context(given, directory, ALL, lambda: AT)
    (row,) = execute(find("Test-Relay"), context, parameters).rows
    return row.model_dump(mode="json", by_alias=True)


@pytest.mark.parametrize(
    ("sender", "recipient"),
    [("a@contoso.com", "x@outside.test"), ("a@outside.test", "x@outside.test"), ("a@outside.test", "x@contoso.com")],
)
def test_nothing_is_told_of_another_organisation_s_connectors(office: Office, sender: str, recipient: str) -> None:
    stranger = Caller("eve", frozenset(Role), "api", organization="fabrikam")
    for ip in ("192.0.2.200", "192.0.2.9"):
        assert "Declared" not in str(office("Test-Relay", stranger, IP=ip, From=sender, To=recipient))
    assert "Declared" in str(office("Test-Relay", IP="192.0.2.9", From="a@contoso.com", To="x@outside.test"))


def test_no_suggestion_begins_as_if_another_stood_before_it(office: Office) -> None:
    (shown,) = office("Test-Relay", IP="192.0.2.9", From="a@contoso.com", To="x@outside.test")
    assert not [words for words in shown["Changes"] if words.startswith("Or ")]


def pem(certificate: PeerCertificate) -> str:
    found = [x509.load_der_x509_certificate(der) for der in (certificate.leaf_der, *certificate.chain_der)]
    return b"".join(each.public_bytes(Encoding.PEM) for each in found).decode()


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]}: {row[1]} to {row[2]}")
def test_the_simulator_and_a_live_transaction_say_the_same(
    row: tuple[str, str, str, object, object, object], directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, sender, recipient = SESSIONS[row[0]], row[1], row[2]
    given = settings()
    monkeypatch.setattr("time.time", lambda: AT)
    mail = Mail(
        parse_mailbox(sender) if sender else None, None, BodyType.SEVEN_BIT, smtputf8=False, ret=None, envelope_id=None
    )
    transaction = Transaction(session.facts, mail, given)
    live = transaction.judge_sender()
    if live.is_accepted:
        live = transaction.judge_recipient(Rcpt(Recipient(parse_mailbox(recipient))))
    shown = simulated(
        directory,
        given,
        IP=ADDRESSES[session.peer],
        From=sender or "<>",
        To=recipient,
        Tls=session.facts.tls is not None,
        Listener=session.listener,
        **({"Account": session.account} if session.account else {}),
        **({"Certificate": pem(session.certificate)} if session.certificate else {}),
    )
    connector = transaction.attribution.connector
    if shown["Stage"] == "DATA":  # the send-as rules, which the live path asks when the content is there
        assert live.is_accepted
        assert shown["Reason"] == "send as denied"
        return
    assert (shown["Reply"], shown["Reason"]) == (str(live.reply), live.reason)
    assert shown["Connector"] == (connector.name if connector else None)
    routed = next(iter(transaction.routed.values()), None)
    assert (shown["Route"], shown["Destination"]) == (
        (routed.route, routed.destination) if routed is not None else (None, None)
    )


def test_a_name_stands_for_a_good_certificate(directory: Directory) -> None:
    shown = simulated(
        directory, settings(), IP="198.51.100.1", CertificateName="Mail.Contoso.test", From="<>", To=OUTSIDE
    )
    assert (shown["Accepted"], shown["Connector"], shown["Route"]) == (True, "certificate", "outside")
    assert shown["Summary"] == "It is accepted: the client matches connector certificate."


@pytest.mark.parametrize(("sender", "sent_as"), [("printer@lan.test", OURS), ("<>", "<>")])
def test_the_sender_that_a_connector_puts_in_place_is_shown(directory: Directory, sender: str, sent_as: str) -> None:
    printers = InboundConnector(
        name="printers", sender_ip_addresses=("192.0.2.7",), sender_rewriting="force", rewritten_sender=OURS
    )
    given = settings(inbound_connectors=(printers,))
    assert simulated(directory, given, IP="192.0.2.7", From=sender, To="bob@contoso.test")["SentAs"] == sent_as
    assert simulated(directory, given, IP="192.0.2.8", From=sender, To=OUTSIDE)["SentAs"] is None


def test_a_client_with_an_account_connects_where_such_clients_do(directory: Directory) -> None:
    question = {"IP": "198.51.100.1", "Account": "scanner@contoso.test", "To": OUTSIDE}
    assert simulated(directory, settings(), From="scanner@contoso.test", **question)["Listener"] == "submission"
    refused = simulated(directory, settings(), From=OURS, **question)
    assert (refused["Stage"], refused["Accepted"]) == ("DATA", False)
    assert refused["Reply"] == "554 5.2.252 SendAsDenied; scanner@contoso.test not allowed to send as ada@contoso.test"
    assert refused["Changes"] == [
        "Set the client to send as scanner@contoso.test.",
        "Allow the sender. It stands in the settings file; change it there.",
    ]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"IP": "printer"}, "'printer' is no IP address"),
        ({"From": "nobody"}, "'nobody': after the local part"),
        ({"Listener": "nowhere"}, "There is no listener 'nowhere'; there are: relay, submission."),
        ({"Certificate": "none"}, "This is no certificate in PEM"),
        ({"CertificateName": "*.test"}, "'*.test' is no name of a certificate"),
        ({"CertificateName": "a.test", "Tls": False}, "A client certificate comes with TLS alone"),
        ({"CertificateName": "a.test", "Certificate": "x"}, "not both"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(
    directory: Directory, parameters: dict[str, object], words: str
) -> None:
    question: dict[str, object] = {"IP": "192.0.2.1", "From": OURS, "To": OUTSIDE, **parameters}
    with pytest.raises(BadValue, match=words.replace("*", r"\*")):
        simulated(directory, settings(), **question)


class TestWhatIsSuggestedWorks:
    """The first command of a refusal, pasted into the shell, lets the same mail in."""

    @pytest.fixture
    def console(self, tmp_path: Path) -> Iterator[Screen]:
        with screen(tmp_path) as opened:
            yield opened

    @pytest.mark.parametrize(
        ("setup", "question"),
        [
            (
                "New-InboundConnector Relay -ConnectorType OnPremises -SenderDomains * -SenderIPAddresses 192.0.2.1",
                "-IP 192.0.2.7 -From ada@contoso.com -To bob@contoso.com",
            ),
            (
                (
                    "New-InboundConnector Gateway -ConnectorType Partner -SenderDomains partner.example "
                    "-SenderIPAddresses 192.0.2.1 -RestrictDomainsToIPAddresses $true"
                ),
                "-IP 192.0.2.7 -From a@partner.example -To bob@contoso.com",
            ),
            (
                (
                    "New-InboundConnector 'it''s secure' -ConnectorType OnPremises -SenderDomains * "
                    "-SenderIPAddresses 192.0.2.7 -RequireTls $true"
                ),
                "-IP 192.0.2.7 -From ada@contoso.com -To bob@contoso.com",
            ),
        ],
    )
    def test_pasted(self, console: Screen, setup: str, question: str) -> None:
        console.run(f"Set-OrganizationConfig -RejectDirectSend $true; {setup} | Out-Null")
        command = console.run(f"(Test-Relay {question}).Commands | Where-Object {{ $_ }} | Select-Object -First 1")
        assert console.run(f"(Test-Relay {question}).Accepted") == "False"
        console.run(command)
        assert console.run(f"(Test-Relay {question}).Accepted") == "True"


REFUSALS = [
    *((row[4], decide(SESSIONS[row[0]], row[1], row[2], settings())[0].evidence) for row in TABLE if row[3].code > 399),
    (Reason.DIRECT_SEND_REJECTED, {"peer": "192.0.2.7", "organization": "fabrikam"}),
    (Reason.SEND_AS_DENIED, {"account": "a@contoso.com", "sender": "b@contoso.com", "sender_field": "From"}),
    (Reason.AUTHENTICATION_FAILED, {"user_name": "a@contoso.com", "cause": "the password is wrong"}),
    (Reason.AUTHENTICATION_DISABLED, {"user_name": "a@contoso.com", "organization": "fabrikam"}),
    *(
        (
            Reason.RELAY_DENIED,
            {"nearest_connector": "Relay", "nearest_condition": str(each), "peer": "192.0.2.7"} | more,
        )
        for each in Condition
        for more in ({}, {"sender_domain": "a.test", "account": "a@a.test", "certificate_names": "a.test"})
    ),
]


@pytest.mark.parametrize(("reason", "evidence"), REFUSALS, ids=lambda value: str(value)[:20])
def test_every_command_that_is_suggested_can_be_typed(
    office: Office, reason: Reason, evidence: dict[str, object]
) -> None:
    told = explain(reason, evidence, sender="a@contoso.com", recipient="b@outside.example")
    for change in told.changes:
        if change.command is not None:
            given = parameters_of(change.command)
            bind(find(change.command.split()[0]).input, given)


def parameters_of(command: str) -> dict[str, object]:
    """The parameters of one of our commands, which have no other forms than these."""
    found: dict[str, object] = {}
    for name, added, text, switch in re.findall(r" -(\w+) (?:@\{Add='([^']*)'\}|'([^']*)'|(\$?\w+))", command):
        found[name] = {"Add": added} if added else text or {"$true": True, "$false": False}.get(switch, switch)
    return found


def refusal(**changes: object) -> Refusal:
    kept: dict[str, object] = {
        "at": 1_795_000_000.0,
        "session_id": "0ABC",
        "listener": "relay",
        "peer_address": "192.0.2.7",
        "helo": None,
        "tls": None,
        "reverse_path": "ada@contoso.com",
        "forward_path": "eve@outside.example",
        "reply": "550 5.7.64 TenantAttribution; Relay Access Denied [r 2026-11-24T12:00:00.000Z 0ABC]",
        "reason": "relay denied",
        "evidence": {"peer": "192.0.2.7", "organization": "default", "connector Relay": "it is switched off"},
    }
    return Refusal(**{**kept, **changes})  # type: ignore[arg-type]


def record(office: Office, *refusals: Refusal) -> None:
    async def write() -> None:
        spool = await open_spool(office.settings)
        for each in refusals:
            spool.record_refusal(each)
        await spool.close()

    asyncio.run(write())


@pytest.mark.parametrize("identity", ["0ABC", "[r 2026-11-24T12:00:00.000Z 0ABC]", refusal().reply])
def test_a_refusal_is_found_by_its_id_or_its_reply(office: Office, identity: str) -> None:
    record(office, refusal(), refusal(session_id="0DEF"))
    (row,) = office("Get-RefusalExplanation", Identity=identity)
    assert row["SessionId"] == "0ABC"
    assert row["Connectors"] == ["Relay: it is switched off"]
    assert "client's address: 192.0.2.7" in row["Seen"]
    assert row["Summary"].startswith("The recipient's domain is not accepted here")


def test_an_unknown_id_is_said_to_be_unknown(office: Office) -> None:
    with pytest.raises(NotFound, match="There is no refusal '0ABC'"):
        office("Get-RefusalExplanation", Identity="0ABC")


def test_an_organisation_sees_its_own_refusals_alone(office: Office) -> None:
    record(office, refusal(), refusal(session_id="0DEF", evidence={"organization": "fabrikam"}))
    fabrikam = Caller("eve", frozenset({Role.HELP_DESK}), "api", organization="fabrikam")
    assert office("Get-RefusalExplanation", fabrikam, Identity="0DEF")
    with pytest.raises(NotFound):
        office("Get-RefusalExplanation", fabrikam, Identity="0ABC")
