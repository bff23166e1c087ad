"""The world of the decisions: sessions by name, an organisation with its connectors, how a decision is asked for."""

import atexit
import shutil
import tempfile
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from staffetta.mail.address import parse_mailbox
from staffetta.mail.envelope import BodyType, Recipient
from staffetta.policy import relay
from staffetta.policy.connector import attribute
from staffetta.policy.decision import Attribution, Decision, PeerCertificate, SessionFacts, TlsFacts
from staffetta.settings.model import Listener, ListenerKind, Settings
from staffetta.settings.objects import (
    AcceptedDomain,
    Account,
    ConnectorType,
    DomainType,
    InboundConnector,
    TrustedAuthority,
)
from staffetta.settings.roads import Route
from staffetta.smtp.events import Mail, Rcpt
from tests.unit.policy.pki import AT, CODE, DAY, NOW, Made, make, written

ROOT = Made.root("Test Root")
ISSUING = ROOT.authority("Test Issuing")
PRINTER = make("printer.lan", names=("printer.lan",))
ADDRESSES = {
    "office": "192.0.2.10",
    "office by IPv6": "2001:db8::1",
    "stranger": "198.51.100.7",
    "gateway": "203.0.113.5",
    "blocked": "192.0.2.66",
    "tls only": "192.0.2.99",
}


def by_certificate(made: Made, *, peer: str = "stranger", with_chain: bool = True) -> "Session":
    return Session(peer, certificate=made.sent(with_chain=with_chain))


@dataclass(frozen=True)
class Session:
    """peer: a key of ADDRESSES. A certificate comes over TLS."""

    peer: str
    certificate: PeerCertificate | None = None
    is_tls: bool = False
    account: str | None = None
    listener: str = "relay"

    @property
    def facts(self) -> SessionFacts:
        tls = TlsFacts("TLSv1.3", "x", self.certificate) if self.is_tls or self.certificate else None
        return SessionFacts("0", self.listener, ip_address(ADDRESSES[self.peer]), "client.example", tls, self.account)


SESSIONS = {
    "office": Session("office"),
    "office by IPv6": Session("office by IPv6"),
    "stranger": Session("stranger"),
    "gateway": Session("gateway"),
    "blocked host": Session("blocked"),
    "certificate": by_certificate(ISSUING.issue("mail.contoso.test")),
    "certificate from the office": by_certificate(ISSUING.issue("mail.contoso.test"), peer="office"),
    "wildcard certificate": by_certificate(ISSUING.issue("*.contoso.test")),
    "certificate of a foreign domain": by_certificate(ISSUING.issue("mail.provider.test")),
    "certificate of another name": by_certificate(ISSUING.issue("mail.nobody.test")),
    "self-signed certificate": by_certificate(make("mail.contoso.test")),
    "expired certificate": by_certificate(ISSUING.issue("mail.contoso.test", until=NOW - DAY)),
    "certificate for code": by_certificate(ISSUING.issue("mail.contoso.test", usages=(CODE,))),
    "certificate without its issuer's": by_certificate(ISSUING.issue("mail.contoso.test"), with_chain=False),
    "self-signed certificate from the office": by_certificate(make("mail.contoso.test"), peer="office"),
    "pinned certificate": by_certificate(PRINTER),
    "partner's certificate": by_certificate(ISSUING.issue("mail.secure.test")),
    "scanner logged in": Session("stranger", is_tls=True, account="Scanner@contoso.test"),
    "erp logged in": Session("stranger", is_tls=True, account="erp@contoso.test"),
    "erp logged in from the office": Session("office", is_tls=True, account="erp@contoso.test"),
    "scanner logged in from the office": Session("office", is_tls=True, account="scanner@contoso.test"),
    "scanner on submission": Session("stranger", is_tls=True, account="scanner@contoso.test", listener="submission"),
    "nobody on submission": Session("stranger", is_tls=True, listener="submission"),
    "office on submission": Session("office", listener="submission"),
    "account switched off": Session("stranger", is_tls=True, account="old@contoso.test"),
}


_folder = Path(tempfile.mkdtemp(prefix="staffetta-pki-"))
atexit.register(shutil.rmtree, _folder)
AUTHORITY = TrustedAuthority(name="ours", certificates=written(_folder / "ca.pem", ROOT.pem))

PARTNER = {"connector_type": ConnectorType.PARTNER}
CERTIFIED = {"trusted_authority": "ours", "require_tls": True}
CONNECTORS = (
    InboundConnector(name="off", enabled=False, sender_ip_addresses=("192.0.2.10",)),
    InboundConnector(name="office", sender_ip_addresses=("192.0.2.0/24", "2001:db8::/32")),
    InboundConnector(name="blocked", sender_ip_addresses=("192.0.2.66",), blocked=True),
    InboundConnector(name="tls only", sender_ip_addresses=("192.0.2.99",), require_tls=True),
    InboundConnector(name="certificate", tls_sender_certificate_name=("*.contoso.test",), **CERTIFIED),
    InboundConnector(name="provider", tls_sender_certificate_name=("mail.provider.test",), **CERTIFIED),
    InboundConnector(name="printer", tls_sender_certificate_fingerprints=(PRINTER.fingerprint,), require_tls=True),
    InboundConnector(name="erp", sender_accounts=("erp@contoso.test",)),
    InboundConnector(
        name="gateway",
        sender_domains=("partner.test",),
        sender_ip_addresses=("203.0.113.5",),
        restrict_domains_to_ip_addresses=True,
        **PARTNER,
    ),
    InboundConnector(
        name="secure",
        sender_domains=("*.secure.test",),
        tls_sender_certificate_name=("mail.secure.test",),
        restrict_domains_to_certificate=True,
        **PARTNER,
        **CERTIFIED,
    ),
)


def settings(**changes: object) -> Settings:
    kept: dict[str, object] = {
        "hostname": "relay.contoso.test",
        "data_dir": "/nowhere",
        "listeners": (
            Listener(name="relay", address="127.0.0.1:0"),
            Listener(name="submission", address="127.0.0.1:0", kind=ListenerKind.SUBMISSION),
        ),
        "routes": (Route(name="mailboxes"), Route(name="outside")),
        "default_route": "outside",
        "accepted_domains": (
            AcceptedDomain(name="contoso.test", recipients=("ada", "Bob"), route="mailboxes"),
            AcceptedDomain(
                name="branch.test", type=DomainType.INTERNAL_RELAY, include_subdomains=True, route="outside"
            ),
        ),
        "accounts": (
            Account(user_name="scanner@contoso.test"),
            Account(user_name="erp@contoso.test"),
            Account(user_name="old@contoso.test", enabled=False),
        ),
        "inbound_connectors": CONNECTORS,
        "trusted_authorities": (AUTHORITY,),
    }
    return Settings.model_validate({**kept, **changes})


def decide(session: Session, sender: str, recipient: str, given: Settings) -> tuple[Decision, Attribution]:
    """As a transaction does: what MAIL is refused for is never asked at RCPT."""
    reverse_path = parse_mailbox(sender) if sender else None
    attribution = attribute(session.facts, reverse_path, given, AT)
    mail = Mail(reverse_path, None, BodyType.SEVEN_BIT, smtputf8=False, ret=None, envelope_id=None)
    decision = relay.sender(session.facts, attribution, mail, given)
    if decision.is_accepted:
        rcpt = Rcpt(Recipient(parse_mailbox(recipient)))
        decision = relay.recipient(session.facts, attribution, reverse_path, rcpt, given)
    return decision, attribution
