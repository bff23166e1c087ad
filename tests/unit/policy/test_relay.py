"""Who may send what to whom: one table, after the decision procedure of Exchange Online."""

import pytest

from staffetta.policy.decision import Reason
from staffetta.policy.evidence import CONNECTORS_MAX
from staffetta.settings.objects import InboundConnector, SenderRewriting
from staffetta.smtp import reply
from staffetta.smtp.reply import Reply
from tests.unit.policy.world import ADDRESSES, PARTNER, SESSIONS, Session, decide, settings

OUTSIDE, BOB = "eve@outside.example", "bob@contoso.test"
OURS, FOREIGN = "ada@contoso.test", "x@foreign.test"
OK, DENIED, ATTR36 = reply.RECIPIENT_OK, reply.RELAY_DENIED, reply.RELAY_DENIED_CERTIFICATE_DOMAIN
NO_SUCH, ONLY_PARTNER = reply.RECIPIENT_ACCESS_DENIED, reply.PARTNER_RESTRICTED
TABLE: list[tuple[str, str, str, Reply, Reason, str | None]] = [
    # session, reverse-path, recipient: reply, reason, connector
    #
    # To the outside, by address: A, the sender's domain is accepted here, and B, the address is a connector's.
    ("office", OURS, OUTSIDE, OK, Reason.CONNECTOR, "office"),
    ("office by IPv6", OURS, OUTSIDE, OK, Reason.CONNECTOR, "office"),
    ("office", "x@sub.branch.test", OUTSIDE, OK, Reason.CONNECTOR, "office"),
    ("office", "x@sub.contoso.test", OUTSIDE, DENIED, Reason.SENDER_DOMAIN_NOT_ACCEPTED, "office"),
    ("office", FOREIGN, OUTSIDE, DENIED, Reason.SENDER_DOMAIN_NOT_ACCEPTED, "office"),
    ("office", "", OUTSIDE, DENIED, Reason.SENDER_DOMAIN_NOT_ACCEPTED, "office"),
    ("stranger", OURS, OUTSIDE, DENIED, Reason.RELAY_DENIED, None),
    ("stranger", FOREIGN, OUTSIDE, DENIED, Reason.RELAY_DENIED, None),
    ("stranger", "", OUTSIDE, DENIED, Reason.RELAY_DENIED, None),
    ("blocked host", OURS, OUTSIDE, reply.CONNECTOR_BLOCKED, Reason.CONNECTOR_BLOCKED, "blocked"),
    #
    # By certificate: its domain stands in for the sender's, so that null and foreign senders pass.
    ("certificate", OURS, OUTSIDE, OK, Reason.CONNECTOR, "certificate"),
    ("certificate", FOREIGN, OUTSIDE, OK, Reason.CONNECTOR, "certificate"),
    ("certificate", "", OUTSIDE, OK, Reason.CONNECTOR, "certificate"),
    ("certificate from the office", OURS, OUTSIDE, OK, Reason.CONNECTOR, "certificate"),
    ("wildcard certificate", "", OUTSIDE, OK, Reason.CONNECTOR, "certificate"),
    ("certificate of a foreign domain", OURS, OUTSIDE, OK, Reason.CONNECTOR, "provider"),
    ("certificate of a foreign domain", FOREIGN, OUTSIDE, ATTR36, Reason.CERTIFICATE_DOMAIN_NOT_ACCEPTED, "provider"),
    ("certificate of a foreign domain", "", OUTSIDE, ATTR36, Reason.CERTIFICATE_DOMAIN_NOT_ACCEPTED, "provider"),
    ("pinned certificate", OURS, OUTSIDE, OK, Reason.CONNECTOR, "printer"),
    ("pinned certificate", "", OUTSIDE, ATTR36, Reason.CERTIFICATE_DOMAIN_NOT_ACCEPTED, "printer"),
    #
    # A certificate that is not taken leaves the session what it is without one.
    ("certificate of another name", OURS, OUTSIDE, DENIED, Reason.RELAY_DENIED, None),
    ("self-signed certificate", OURS, OUTSIDE, DENIED, Reason.RELAY_DENIED, None),
    ("expired certificate", OURS, OUTSIDE, DENIED, Reason.RELAY_DENIED, None),
    ("certificate for code", OURS, OUTSIDE, DENIED, Reason.RELAY_DENIED, None),
    ("certificate without its issuer's", OURS, OUTSIDE, DENIED, Reason.RELAY_DENIED, None),
    ("self-signed certificate from the office", OURS, OUTSIDE, OK, Reason.CONNECTOR, "office"),
    ("self-signed certificate", OURS, BOB, OK, Reason.DIRECT_SEND, None),
    #
    # By credentials: a connector that names the account, else client submission (as whom, is asked after the content).
    ("erp logged in", OURS, OUTSIDE, OK, Reason.CONNECTOR, "erp"),
    ("erp logged in", FOREIGN, OUTSIDE, DENIED, Reason.SENDER_DOMAIN_NOT_ACCEPTED, "erp"),
    ("erp logged in from the office", OURS, OUTSIDE, OK, Reason.CONNECTOR, "erp"),
    ("scanner logged in", OURS, OUTSIDE, OK, Reason.SUBMISSION, None),
    ("scanner logged in", "", OUTSIDE, OK, Reason.SUBMISSION, None),
    ("scanner logged in", OURS, BOB, OK, Reason.SUBMISSION, None),
    ("scanner logged in from the office", OURS, OUTSIDE, OK, Reason.SUBMISSION, None),
    ("account switched off", OURS, OUTSIDE, DENIED, Reason.RELAY_DENIED, None),
    ("scanner on submission", OURS, OUTSIDE, OK, Reason.SUBMISSION, None),
    ("nobody on submission", OURS, BOB, reply.NOT_AUTHENTICATED, Reason.NOT_AUTHENTICATED, None),
    ("office on submission", OURS, BOB, reply.NOT_AUTHENTICATED, Reason.NOT_AUTHENTICATED, "office"),
    #
    # A Partner never grants relay, and restricts its own domains: at every recipient.
    ("gateway", "x@partner.test", OUTSIDE, DENIED, Reason.RELAY_DENIED, None),
    ("gateway", "x@partner.test", BOB, OK, Reason.DIRECT_SEND, None),
    ("stranger", "x@partner.test", BOB, ONLY_PARTNER, Reason.PARTNER_RESTRICTED, None),
    ("stranger", "x@partner.test", OUTSIDE, ONLY_PARTNER, Reason.PARTNER_RESTRICTED, None),
    ("office", "x@partner.test", BOB, OK, Reason.CONNECTOR, "office"),
    ("partner's certificate", "x@secure.test", BOB, OK, Reason.DIRECT_SEND, None),
    ("certificate of another name", "x@mail.secure.test", BOB, ONLY_PARTNER, Reason.PARTNER_RESTRICTED, None),
    ("stranger", "x@secure.test", BOB, reply.TLS_REQUIRED, Reason.TLS_REQUIRED, None),
    #
    # To the inside: everybody.
    ("office", OURS, BOB, OK, Reason.CONNECTOR, "office"),
    ("stranger", FOREIGN, BOB, OK, Reason.DIRECT_SEND, None),
    ("stranger", OURS, "BOB@Contoso.Test", OK, Reason.DIRECT_SEND, None),
    ("stranger", "", BOB, OK, Reason.DIRECT_SEND, None),
    ("stranger", "", "postmaster@contoso.test", OK, Reason.DIRECT_SEND, None),
    ("stranger", "", '"bob"@contoso.test', OK, Reason.DIRECT_SEND, None),
    ("stranger", "", "nobody@contoso.test", NO_SUCH, Reason.RECIPIENT_UNKNOWN, None),
    ("office", OURS, "nobody@contoso.test", NO_SUCH, Reason.RECIPIENT_UNKNOWN, "office"),
    ("certificate", "", "nobody@contoso.test", NO_SUCH, Reason.RECIPIENT_UNKNOWN, "certificate"),
    ("scanner logged in", OURS, "nobody@contoso.test", NO_SUCH, Reason.RECIPIENT_UNKNOWN, None),
    ("stranger", "", "anyone@branch.test", OK, Reason.DIRECT_SEND, None),
    ("stranger", "", "anyone@deep.down.branch.test", OK, Reason.DIRECT_SEND, None),
    ("blocked host", OURS, BOB, reply.CONNECTOR_BLOCKED, Reason.CONNECTOR_BLOCKED, "blocked"),
    #
    # What some server might read as a route to elsewhere, a program, a file or a list.
    ("stranger", "", "a%outside.example@branch.test", NO_SUCH, Reason.AMBIGUOUS_ADDRESS, None),
    ("stranger", "", "outside.example!a@branch.test", NO_SUCH, Reason.AMBIGUOUS_ADDRESS, None),
    ("stranger", "", '"a@outside.example"@branch.test', NO_SUCH, Reason.AMBIGUOUS_ADDRESS, None),
    ("stranger", "", "|program@contoso.test", NO_SUCH, Reason.AMBIGUOUS_ADDRESS, None),
    ("stranger", "", "/etc/passwd@branch.test", NO_SUCH, Reason.AMBIGUOUS_ADDRESS, None),
    ("stranger", "", '":include:/etc/passwd"@branch.test', NO_SUCH, Reason.AMBIGUOUS_ADDRESS, None),
    ("stranger", "", '"\\|program"@branch.test', NO_SUCH, Reason.AMBIGUOUS_ADDRESS, None),
    ("office", OURS, "a%b.example@outside.example", DENIED, Reason.AMBIGUOUS_ADDRESS, "office"),
    ("office", OURS, "b.example!a@outside.example", DENIED, Reason.AMBIGUOUS_ADDRESS, "office"),
    ("office", OURS, '"a@b.example"@outside.example', DENIED, Reason.AMBIGUOUS_ADDRESS, "office"),
    ("office", OURS, "|program@outside.example", DENIED, Reason.AMBIGUOUS_ADDRESS, "office"),
    ("scanner logged in", OURS, "a%b.example@outside.example", DENIED, Reason.AMBIGUOUS_ADDRESS, None),
    ("office", FOREIGN, "a%b.example@outside.example", DENIED, Reason.SENDER_DOMAIN_NOT_ACCEPTED, "office"),
    ("stranger", "", "a%b.example@outside.example", DENIED, Reason.RELAY_DENIED, None),
    ("stranger", "", "a@[192.0.2.1]", DENIED, Reason.RELAY_DENIED, None),
    ("office", OURS, "a@[192.0.2.1]", DENIED, Reason.RELAY_DENIED, "office"),
    ("office", OURS, "a@[IPv6:2001:db8::1]", DENIED, Reason.RELAY_DENIED, "office"),
]


@pytest.mark.parametrize(("session", "sender", "recipient", "answer", "reason", "connector"), TABLE)
def test_decision(
    session: str, sender: str, recipient: str, answer: Reply, reason: Reason, connector: str | None
) -> None:
    decision, attribution = decide(SESSIONS[session], sender, recipient, settings())
    matched = attribution.connector.name if attribution.connector else None
    assert (str(decision.reply), decision.reason, matched) == (str(answer), reason, connector)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply.RELAY_DENIED, "550 5.7.64 TenantAttribution; Relay Access Denied"),
        (reply.RELAY_DENIED_CERTIFICATE_DOMAIN, "550 5.7.64 Relay Access Denied ATTR36"),
        (reply.RECIPIENT_ACCESS_DENIED, "550 5.4.1 Recipient address rejected: Access denied"),
        (
            reply.PARTNER_RESTRICTED,
            (
                "550 5.7.51 TenantInboundAttribution; There is a partner connector configured that matched the "
                "message's recipient domain. The connector had either the RestrictDomainsToIPAddresses or "
                "RestrictDomainsToCertificate set"
            ),
        ),
        (
            reply.DIRECT_SEND_NOT_ALLOWED,
            (
                "550 5.7.68 TenantInboundAttribution; Direct Send not allowed for this organization "
                "from unauthorized sources"
            ),
        ),
        (
            reply.NOT_AUTHENTICATED,
            "530 5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM",
        ),
        (reply.TLS_REQUIRED, "451 4.7.3 STARTTLS is required to send mail"),
        (reply.CONNECTOR_BLOCKED, "550 5.7.711 Access denied, bad inbound connector. AS(2204)"),
        (
            reply.send_as_denied("scanner@contoso.test", "boss@contoso.test"),
            "554 5.2.252 SendAsDenied; scanner@contoso.test not allowed to send as boss@contoso.test",
        ),
    ],
)
def test_replies_are_in_exchanges_words(answer: Reply, words: str) -> None:
    assert str(answer) == words


@pytest.mark.parametrize(
    ("session", "sender", "answer"),
    [
        ("stranger", OURS, reply.DIRECT_SEND_NOT_ALLOWED),
        ("stranger", FOREIGN, OK),
        ("stranger", "", OK),
        ("office", OURS, OK),
        ("certificate", OURS, OK),
        ("self-signed certificate", OURS, reply.DIRECT_SEND_NOT_ALLOWED),
        ("scanner logged in", OURS, OK),
        ("account switched off", OURS, reply.DIRECT_SEND_NOT_ALLOWED),
        ("gateway", OURS, reply.DIRECT_SEND_NOT_ALLOWED),
    ],
)
def test_reject_direct_send_stops_our_name_from_unknown_sources(session: str, sender: str, answer: Reply) -> None:
    decision, _ = decide(SESSIONS[session], sender, BOB, settings(reject_direct_send=True))
    assert decision.reply == answer


def test_a_partner_that_covers_our_name_may_send_directly() -> None:
    gateway = InboundConnector(name="gateway", sender_ip_addresses=(ADDRESSES["gateway"],), **PARTNER)
    given = settings(reject_direct_send=True, inbound_connectors=(gateway,))
    assert decide(SESSIONS["gateway"], OURS, BOB, given)[0].reply == OK
    assert decide(SESSIONS["stranger"], OURS, BOB, given)[0].reply == reply.DIRECT_SEND_NOT_ALLOWED


def test_without_a_road_out_nothing_goes_out() -> None:
    decision, _ = decide(SESSIONS["office"], OURS, OUTSIDE, settings(default_route=None))
    assert (decision.reply, decision.reason) == (DENIED, Reason.RELAY_DENIED)


def test_a_refusal_says_what_was_looked_at_and_why_each_connector_failed() -> None:
    evidence = decide(SESSIONS["self-signed certificate"], OURS, OUTSIDE, settings())[0].evidence
    assert evidence["peer"] == ADDRESSES["stranger"]
    assert evidence["sender_domain_accepted"] is True
    assert evidence["certificate_names"] == "mail.contoso.test"
    names = "the presented one's names are mail.contoso.test"
    told = {key.removeprefix("connector "): words for key, words in evidence.items() if key.startswith("connector ")}
    assert told == {
        "certificate": "its certificate is not taken: it is self-signed, and not one of authority 'ours'",
        "off": "it is switched off",
        "office": f"its addresses do not hold {ADDRESSES['stranger']}",
        "blocked": f"its addresses do not hold {ADDRESSES['stranger']}",
        "tls only": f"its addresses do not hold {ADDRESSES['stranger']}",
        "provider": f"it needs a certificate mail.provider.test; {names}",
        "printer": f"it needs a certificate of its list, by fingerprint; {names}",
        "erp": "it is for clients that log in, and this one did not",
        "gateway": "it is of type Partner, which never grants relay",
        "secure": "it is of type Partner, which never grants relay",
    }


@pytest.mark.parametrize(("is_tls", "answer"), [(False, reply.TLS_REQUIRED), (True, OK)])
def test_a_connector_that_requires_tls_refuses_clear_text_at_mail(is_tls: bool, answer: Reply) -> None:
    assert decide(Session("tls only", is_tls=is_tls), OURS, OUTSIDE, settings())[0].reply == answer


def test_a_refusal_explains_no_more_connectors_than_a_trace_can_bear() -> None:
    many = tuple(
        InboundConnector(name=f"c{number}", sender_ip_addresses=(ADDRESSES["office"],)) for number in range(1000)
    )
    evidence = decide(SESSIONS["stranger"], OURS, OUTSIDE, settings(inbound_connectors=many))[0].evidence
    assert sum(key.startswith("connector c") for key in evidence) == CONNECTORS_MAX


@pytest.mark.parametrize(
    ("session", "sender", "answer"),
    [
        ("gateway", "x@anywhere.test", OK),
        ("stranger", "x@anywhere.test", ONLY_PARTNER),
        ("stranger", "", ONLY_PARTNER),
        ("stranger", "x@open.test", OK),
        ("stranger", "x@sub.open.test", OK),
        ("office", "x@anywhere.test", OK),
        ("scanner logged in", "x@anywhere.test", OK),
    ],
)
def test_only_my_gateway_may_deliver_but_for_a_closer_partner(session: str, sender: str, answer: Reply) -> None:
    gateway = {**PARTNER, "sender_domains": ("*",), "restrict_domains_to_ip_addresses": True}
    given = settings(
        inbound_connectors=(
            InboundConnector(name="office", sender_ip_addresses=(ADDRESSES["office"],)),
            InboundConnector(name="old gateway", sender_ip_addresses=("203.0.113.99",), **gateway),
            InboundConnector(name="gateway", sender_ip_addresses=(ADDRESSES["gateway"],), **gateway),
            InboundConnector(name="open", sender_domains=("*.open.test",), **PARTNER),
        )
    )
    assert decide(SESSIONS[session], sender, BOB, given)[0].reply == answer


@pytest.mark.parametrize(
    ("rewriting", "sender", "answer"),
    [
        (SenderRewriting.FORCE, FOREIGN, OK),
        (SenderRewriting.FORCE, "printer@lan.test", OK),
        (SenderRewriting.FORCE, "", DENIED),
        (SenderRewriting.FORCE_IF_NOT_ALLOWED, "printer@lan.test", OK),
        (SenderRewriting.FORCE_IF_NOT_ALLOWED, FOREIGN, DENIED),  # allowed, and so it would leave under a foreign name
        (SenderRewriting.KEEP, "printer@lan.test", DENIED),
    ],
)
def test_the_sender_that_must_be_ours_is_the_one_that_leaves(
    rewriting: SenderRewriting, sender: str, answer: Reply
) -> None:
    connector = InboundConnector(
        name="printers",
        sender_ip_addresses=("192.0.2.10",),
        sender_rewriting=rewriting,
        rewritten_sender=OURS,
        allowed_senders=(FOREIGN,),
    )
    decision, _ = decide(SESSIONS["office"], sender, OUTSIDE, settings(inbound_connectors=(connector,)))
    assert decision.reply == answer
