"""Who may send what to whom: one table, after the decision procedure of Exchange Online."""

from ipaddress import ip_address

import pytest

from staffetta.mail.address import parse_mailbox
from staffetta.mail.envelope import Recipient
from staffetta.policy import relay
from staffetta.policy.connector import attribute
from staffetta.policy.decision import Decision, Reason, SessionFacts, TlsFacts
from staffetta.settings.model import Route, Settings
from staffetta.settings.objects import AcceptedDomain, ConnectorType, DomainType, InboundConnector
from staffetta.smtp import reply
from staffetta.smtp.events import Mail, Rcpt
from staffetta.smtp.reply import Reply

OFFICE, STRANGER, PARTNER = "192.0.2.10", "198.51.100.7", "203.0.113.5"


def settings(**changes: object) -> Settings:
    kept: dict[str, object] = {
        "hostname": "relay.contoso.test",
        "data_dir": "/nowhere",
        "routes": (Route(name="mailboxes"), Route(name="outside")),
        "default_route": "outside",
        "accepted_domains": (
            AcceptedDomain(name="contoso.test", recipients=("ada", "Bob"), route="mailboxes"),
            AcceptedDomain(
                name="branch.test", type=DomainType.INTERNAL_RELAY, include_subdomains=True, route="outside"
            ),
        ),
        "inbound_connectors": (
            InboundConnector(name="off", enabled=False, sender_ip_addresses=(OFFICE,)),
            InboundConnector(name="office", sender_ip_addresses=("192.0.2.0/24", "2001:db8::/32")),
            InboundConnector(name="tls only", sender_ip_addresses=("192.0.2.99",), require_tls=True),
            InboundConnector(
                name="gateway",
                connector_type=ConnectorType.PARTNER,
                sender_domains=("partner.test",),
                sender_ip_addresses=(PARTNER,),
                restrict_domains_to_ip_addresses=True,
            ),
        ),
    }
    return Settings.model_validate({**kept, **changes})


def decide(peer: str, sender: str, recipient: str, given: Settings) -> Decision:
    facts = SessionFacts("0", "relay", ip_address(peer), "client.example")
    reverse_path = parse_mailbox(sender) if sender else None
    attribution = attribute(facts, reverse_path, given, 0.0)
    return relay.recipient(facts, attribution, reverse_path, Rcpt(Recipient(parse_mailbox(recipient))), given)


OUTSIDE = "eve@outside.example"
TABLE: list[tuple[str, str, str, Reply, Reason]] = [
    # peer, reverse-path, recipient: reply, reason
    (OFFICE, "ada@contoso.test", OUTSIDE, reply.RECIPIENT_OK, Reason.CONNECTOR),
    ("2001:db8::1", "ada@contoso.test", OUTSIDE, reply.RECIPIENT_OK, Reason.CONNECTOR),
    (OFFICE, "x@sub.branch.test", OUTSIDE, reply.RECIPIENT_OK, Reason.CONNECTOR),
    (OFFICE, "x@sub.contoso.test", OUTSIDE, reply.RELAY_DENIED, Reason.SENDER_DOMAIN_NOT_ACCEPTED),
    (OFFICE, "x@foreign.test", OUTSIDE, reply.RELAY_DENIED, Reason.SENDER_DOMAIN_NOT_ACCEPTED),
    (OFFICE, "", OUTSIDE, reply.RELAY_DENIED, Reason.SENDER_DOMAIN_NOT_ACCEPTED),
    (STRANGER, "ada@contoso.test", OUTSIDE, reply.RELAY_DENIED, Reason.RELAY_DENIED),
    (STRANGER, "x@foreign.test", OUTSIDE, reply.RELAY_DENIED, Reason.RELAY_DENIED),
    (STRANGER, "", OUTSIDE, reply.RELAY_DENIED, Reason.RELAY_DENIED),
    (PARTNER, "x@partner.test", OUTSIDE, reply.RELAY_DENIED, Reason.RELAY_DENIED),
    (OFFICE, "ada@contoso.test", "bob@contoso.test", reply.RECIPIENT_OK, Reason.CONNECTOR),
    (STRANGER, "x@foreign.test", "bob@contoso.test", reply.RECIPIENT_OK, Reason.DIRECT_SEND),
    (STRANGER, "ada@contoso.test", "BOB@Contoso.Test", reply.RECIPIENT_OK, Reason.DIRECT_SEND),
    (STRANGER, "", "bob@contoso.test", reply.RECIPIENT_OK, Reason.DIRECT_SEND),
    (STRANGER, "", "postmaster@contoso.test", reply.RECIPIENT_OK, Reason.DIRECT_SEND),
    (STRANGER, "", '"bob"@contoso.test', reply.RECIPIENT_OK, Reason.DIRECT_SEND),
    (STRANGER, "", "nobody@contoso.test", reply.RECIPIENT_ACCESS_DENIED, Reason.RECIPIENT_UNKNOWN),
    (OFFICE, "ada@contoso.test", "nobody@contoso.test", reply.RECIPIENT_ACCESS_DENIED, Reason.RECIPIENT_UNKNOWN),
    (STRANGER, "", "anyone@branch.test", reply.RECIPIENT_OK, Reason.DIRECT_SEND),
    (STRANGER, "", "anyone@deep.down.branch.test", reply.RECIPIENT_OK, Reason.DIRECT_SEND),
    (STRANGER, "", "a%outside.example@branch.test", reply.RECIPIENT_ACCESS_DENIED, Reason.AMBIGUOUS_ADDRESS),
    (STRANGER, "", "outside.example!a@branch.test", reply.RECIPIENT_ACCESS_DENIED, Reason.AMBIGUOUS_ADDRESS),
    (STRANGER, "", '"a@outside.example"@branch.test', reply.RECIPIENT_ACCESS_DENIED, Reason.AMBIGUOUS_ADDRESS),
    (STRANGER, "", "|program@contoso.test", reply.RECIPIENT_ACCESS_DENIED, Reason.AMBIGUOUS_ADDRESS),
    (STRANGER, "", "/etc/passwd@branch.test", reply.RECIPIENT_ACCESS_DENIED, Reason.AMBIGUOUS_ADDRESS),
    (STRANGER, "", '":include:/etc/passwd"@branch.test', reply.RECIPIENT_ACCESS_DENIED, Reason.AMBIGUOUS_ADDRESS),
    (STRANGER, "", '"\\|program"@branch.test', reply.RECIPIENT_ACCESS_DENIED, Reason.AMBIGUOUS_ADDRESS),
    (OFFICE, "ada@contoso.test", "a%b.example@outside.example", reply.RELAY_DENIED, Reason.AMBIGUOUS_ADDRESS),
    (OFFICE, "ada@contoso.test", "b.example!a@outside.example", reply.RELAY_DENIED, Reason.AMBIGUOUS_ADDRESS),
    (OFFICE, "ada@contoso.test", '"a@b.example"@outside.example', reply.RELAY_DENIED, Reason.AMBIGUOUS_ADDRESS),
    (OFFICE, "ada@contoso.test", "|program@outside.example", reply.RELAY_DENIED, Reason.AMBIGUOUS_ADDRESS),
    (OFFICE, "x@foreign.test", "a%b.example@outside.example", reply.RELAY_DENIED, Reason.SENDER_DOMAIN_NOT_ACCEPTED),
    (STRANGER, "", "a%b.example@outside.example", reply.RELAY_DENIED, Reason.RELAY_DENIED),
    (STRANGER, "", "a@[192.0.2.1]", reply.RELAY_DENIED, Reason.RELAY_DENIED),
    (OFFICE, "ada@contoso.test", "a@[192.0.2.1]", reply.RELAY_DENIED, Reason.RELAY_DENIED),
    (OFFICE, "ada@contoso.test", "a@[IPv6:2001:db8::1]", reply.RELAY_DENIED, Reason.RELAY_DENIED),
    (PARTNER, "x@partner.test", "bob@contoso.test", reply.RECIPIENT_OK, Reason.DIRECT_SEND),
    (STRANGER, "x@partner.test", "bob@contoso.test", reply.PARTNER_RESTRICTED, Reason.PARTNER_RESTRICTED),
]


@pytest.mark.parametrize(("peer", "sender", "recipient", "answer", "reason"), TABLE)
def test_decision_at_rcpt(peer: str, sender: str, recipient: str, answer: Reply, reason: Reason) -> None:
    decision = decide(peer, sender, recipient, settings())
    assert (decision.reply, decision.reason) == (answer, reason)


@pytest.mark.parametrize(
    ("peer", "sender", "answer"),
    [
        (STRANGER, "ada@contoso.test", reply.DIRECT_SEND_NOT_ALLOWED),
        (STRANGER, "x@foreign.test", reply.RECIPIENT_OK),
        (STRANGER, "", reply.RECIPIENT_OK),
        (OFFICE, "ada@contoso.test", reply.RECIPIENT_OK),
    ],
)
def test_reject_direct_send_stops_our_name_from_unknown_sources(peer: str, sender: str, answer: Reply) -> None:
    assert decide(peer, sender, "bob@contoso.test", settings(reject_direct_send=True)).reply == answer


def test_without_a_road_out_nothing_goes_out() -> None:
    decision = decide(OFFICE, "ada@contoso.test", OUTSIDE, settings(default_route=None))
    assert (decision.reply, decision.reason) == (reply.RELAY_DENIED, Reason.RELAY_DENIED)


def test_a_refusal_says_what_was_looked_at_and_why_each_connector_failed() -> None:
    evidence = decide(STRANGER, "ada@contoso.test", OUTSIDE, settings()).evidence
    assert evidence["peer"] == STRANGER
    assert evidence["sender_domain_accepted"] is True
    assert evidence["connector off"] == "it is switched off"
    assert evidence["connector office"] == f"its addresses do not hold {STRANGER}"


@pytest.mark.parametrize(("tls", "answer"), [(None, reply.TLS_REQUIRED), (TlsFacts("TLSv1.3", "x"), reply.SENDER_OK)])
def test_a_connector_that_requires_tls_refuses_clear_text_at_mail(tls: TlsFacts | None, answer: Reply) -> None:
    facts = SessionFacts("0", "relay", ip_address("192.0.2.99"), "client.example", tls)
    mail = Mail(parse_mailbox("ada@contoso.test"), None, body="7BIT", smtputf8=False, ret=None, envelope_id=None)  # type: ignore[arg-type]
    given = settings()
    assert relay.sender(facts, attribute(facts, mail.reverse_path, given, 0.0), mail, given).reply == answer


def test_a_refusal_explains_no_more_connectors_than_a_trace_can_bear() -> None:
    many = tuple(InboundConnector(name=f"c{number}", sender_ip_addresses=(OFFICE,)) for number in range(1000))
    evidence = decide(STRANGER, "ada@contoso.test", OUTSIDE, settings(inbound_connectors=many)).evidence
    assert sum(key.startswith("connector c") for key in evidence) == relay.CONNECTORS_EXPLAINED_MAX


@pytest.mark.parametrize(
    ("peer", "sender", "answer"),
    [
        (PARTNER, "x@anywhere.test", reply.RECIPIENT_OK),
        (STRANGER, "x@anywhere.test", reply.PARTNER_RESTRICTED),
        (STRANGER, "", reply.PARTNER_RESTRICTED),
        (STRANGER, "x@open.test", reply.RECIPIENT_OK),
        (STRANGER, "x@sub.open.test", reply.RECIPIENT_OK),
        (OFFICE, "x@anywhere.test", reply.RECIPIENT_OK),
    ],
)
def test_only_my_gateway_may_deliver_but_for_a_closer_partner(peer: str, sender: str, answer: Reply) -> None:
    partner = {"connector_type": ConnectorType.PARTNER}
    gateway = {**partner, "sender_domains": ("*",), "restrict_domains_to_ip_addresses": True}
    given = settings(
        inbound_connectors=(
            InboundConnector(name="office", sender_ip_addresses=(OFFICE,)),
            InboundConnector(name="old gateway", sender_ip_addresses=("203.0.113.99",), **gateway),
            InboundConnector(name="gateway", sender_ip_addresses=(PARTNER,), **gateway),
            InboundConnector(name="open", sender_domains=("*.open.test",), **partner),
        )
    )
    assert decide(peer, sender, "bob@contoso.test", given).reply == answer
