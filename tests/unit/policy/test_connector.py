"""Which connector a session matches: kinds of identity, ranks, ties, the sender's domains, organisations."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffetta.mail.address import parse_mailbox
from staffetta.mail.envelope import Recipient
from staffetta.policy import relay
from staffetta.policy.certificate import Presented, names_match
from staffetta.policy.connector import attribute, may_authenticate_in_clear, wants_certificate
from staffetta.policy.decision import AssumedCertificate, Reason, SessionFacts, TlsFacts
from staffetta.policy.index import CertificateTable
from staffetta.policy.route import route
from staffetta.settings.addresses import networks
from staffetta.settings.model import Settings
from staffetta.settings.objects import AcceptedDomain, Account, InboundConnector, Organization
from staffetta.smtp import reply
from staffetta.smtp.events import Rcpt
from staffetta.smtp.reply import Reply
from tests.unit.policy.world import Session, decide, settings


def matched(peer: str, *connectors: InboundConnector, sender: str = "a@contoso.test") -> str | None:
    settings = Settings(hostname="r.test", data_dir="/nowhere", inbound_connectors=connectors)  # type: ignore[arg-type]
    connector = attribute(SessionFacts("0", "relay", ip_address(peer)), parse_mailbox(sender), settings, 0.0).connector
    return connector.name if connector else None


def by_address(name: str, *addresses: str, **more: object) -> InboundConnector:
    return InboundConnector(name=name, sender_ip_addresses=addresses, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("entry", "inside", "outside"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("192.0.2.0/29", "192.0.2.7", "192.0.2.8"),
        ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
        ("192.0.2.10-192.0.2.20", "192.0.2.20", "192.0.2.21"),
        ("192.0.2.10 - 192.0.2.20", "192.0.2.10", "192.0.2.9"),
        ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("2001:db8::/33", "2001:db8::1", "2001:db8:8000::"),
        ("2001:db8::1-2001:db8::3", "2001:db8::3", "2001:db8::4"),
        ("0.0.0.0/0", "198.51.100.1", "2001:db8::1"),
    ],
)
def test_an_entry_names_what_it_says(entry: str, inside: str, outside: str) -> None:
    assert matched(inside, by_address("c", entry)) == "c"
    assert matched(outside, by_address("c", entry)) is None


def test_the_most_specific_entry_wins_then_the_order_of_the_file() -> None:
    wide, narrow, twin = (
        by_address("wide", "192.0.2.0/24"),
        by_address("narrow", "192.0.2.0/28"),
        by_address("twin", "192.0.2.0/28"),
    )
    assert matched("192.0.2.1", wide, narrow, twin) == "narrow"
    assert matched("192.0.2.1", wide, twin, narrow) == "twin"
    assert matched("192.0.2.200", wide, narrow) == "wide"


def test_a_connector_that_is_off_matches_nothing() -> None:
    off = by_address("off", "192.0.2.1", enabled=False)
    assert matched("192.0.2.1", off, by_address("on", "192.0.2.0/24")) == "on"


@pytest.mark.parametrize(
    ("domains", "sender", "is_matched"),
    [
        (("*",), "a@any.test", True),
        (("contoso.test",), "a@contoso.test", True),
        (("contoso.test",), "a@sub.contoso.test", False),
        (("*.contoso.test",), "a@contoso.test", True),
        (("*.contoso.test",), "a@deep.sub.contoso.test", True),
        (("*.contoso.test",), "a@notcontoso.test", False),
    ],
)
def test_sender_domains(domains: tuple[str, ...], sender: str, is_matched: bool) -> None:
    assert (
        matched("192.0.2.1", by_address("c", "192.0.2.1", sender_domains=domains), sender=sender) == "c"
    ) is is_matched


def test_a_closer_connector_of_another_domain_hides_none_that_matches() -> None:
    contoso = by_address("contoso", "192.0.2.1", sender_domains=("contoso.test",))
    branch = by_address("branch", "192.0.2.1", sender_domains=("branch.test",))
    network = by_address("network", "192.0.2.0/24")
    both = (network, contoso, branch)
    assert matched("192.0.2.1", *both, sender="a@contoso.test") == "contoso"
    assert matched("192.0.2.1", *both, sender="a@branch.test") == "branch"
    assert matched("192.0.2.1", *both, sender="a@elsewhere.test") == "network"
    assert matched("192.0.2.1", contoso, branch, sender="a@elsewhere.test") is None


@pytest.mark.parametrize("text", ["192.0.2.01", "192.0.2.9-192.0.2.1", "fe80::1%eth0-fe80::2", "x", "1-2001:db8::"])
def test_what_is_no_entry_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        networks(text)


def test_recipients_go_by_their_domain_or_by_default() -> None:
    domain = AcceptedDomain(name="contoso.test", route="mailboxes")
    settings = Settings(hostname="r.test", data_dir="/nowhere", accepted_domains=(domain,), default_route="outside")  # type: ignore[arg-type]
    assert route(parse_mailbox("a@contoso.test"), None, settings).route == "mailboxes"
    assert route(parse_mailbox("a@elsewhere.test"), None, settings).destination == "outside"


def by_name(name: str, *names: str, **more: object) -> InboundConnector:
    return InboundConnector(name=name, tls_sender_certificate_name=names, require_tls=True, **more)  # type: ignore[arg-type]


def chosen(
    *connectors: InboundConnector,
    peer: str = "192.0.2.1",
    certificate: str | None = None,
    account: str | None = None,
    sender: str = "ada@contoso.test",
) -> str | None:
    """The connector's name that a session matches whose certificate every authority takes."""
    tls = TlsFacts("TLSv1.3", "x", AssumedCertificate(certificate) if certificate else None)
    facts = SessionFacts("0", "relay", ip_address(peer), "client.example", tls, account)
    reverse_path = parse_mailbox(sender) if sender else None
    attribution = attribute(facts, reverse_path, settings(inbound_connectors=connectors), 0.0)
    return attribution.connector.name if attribution.connector else None


BY_ADDRESS = by_address("address", "192.0.2.1")
BY_NAME = by_name("name", "mail.contoso.test")
BY_ACCOUNT = InboundConnector(name="account", sender_accounts=("erp@contoso.test",))
BY_ANY_ACCOUNT = InboundConnector(name="any account", sender_accounts=("*",))


@pytest.mark.parametrize(
    ("certificate", "account", "connector"),
    [
        (None, None, "address"),
        ("mail.contoso.test", None, "name"),
        ("mail.other.test", None, "address"),
        ("mail.contoso.test", "ERP@contoso.test", "account"),
        (None, "scanner@contoso.test", "any account"),
    ],
)
def test_an_account_goes_before_a_certificate_and_that_before_an_address(
    certificate: str | None, account: str | None, connector: str
) -> None:
    all_kinds = (BY_ADDRESS, BY_NAME, BY_ANY_ACCOUNT, BY_ACCOUNT)
    assert chosen(*all_kinds, certificate=certificate, account=account) == connector


def test_who_has_logged_in_is_judged_by_the_account_alone() -> None:
    given = (BY_ADDRESS, BY_NAME)
    assert chosen(*given, certificate="mail.contoso.test", account="scanner@contoso.test") is None
    assert chosen(*given, certificate="mail.contoso.test", account="nobody@contoso.test") == "name"


@pytest.mark.parametrize(
    ("peer", "certificate", "account", "is_matched"),
    [
        ("192.0.2.1", "mail.contoso.test", "erp@contoso.test", True),
        ("192.0.2.2", "mail.contoso.test", "erp@contoso.test", False),
        ("192.0.2.1", "mail.other.test", "erp@contoso.test", False),
        ("192.0.2.1", None, "erp@contoso.test", False),
        ("192.0.2.1", "mail.contoso.test", None, False),
    ],
)
def test_every_kind_that_a_connector_names_must_hold(
    peer: str, certificate: str | None, account: str | None, is_matched: bool
) -> None:
    strict = by_name("strict", "mail.contoso.test", sender_ip_addresses=("192.0.2.1",), sender_accounts=("*",))
    assert (chosen(strict, peer=peer, certificate=certificate, account=account) == "strict") is is_matched


@pytest.mark.parametrize(
    ("certificate", "connector"),
    [
        ("mail.contoso.test", "host"),
        ("*.contoso.test", "all of contoso"),
        ("*.sub.contoso.test", "all of sub"),
        ("*.branch.contoso.test", "host in branch"),
        ("x.contoso.test", "all of contoso"),
        ("x.sub.contoso.test", "all of sub"),
        ("contoso.test", "all of contoso"),
    ],
)
def test_the_closest_name_wins(certificate: str, connector: str) -> None:
    given = (
        by_name("all of contoso", "*.contoso.test"),
        by_name("all of sub", "*.Sub.contoso.test"),
        by_name("host", "mail.contoso.test"),
        by_name("host in branch", "mail.branch.contoso.test"),
    )
    assert chosen(*given, certificate=certificate) == connector


LABELS = st.sampled_from(["a", "b", "contoso", "test"])
NAMES = st.builds(
    lambda star, labels: star + ".".join(labels), st.sampled_from(["", "*."]), st.lists(LABELS, min_size=2, max_size=4)
)


@given(
    wanted=st.lists(st.lists(NAMES, min_size=1, max_size=2), max_size=6), seen=st.lists(NAMES, min_size=1, max_size=3)
)
def test_looking_up_a_name_finds_exactly_those_that_match(wanted: list[list[str]], seen: list[str]) -> None:
    table = CertificateTable()
    for number, names in enumerate(wanted):
        table.add(by_name(str(number), *names))
    found = {connector.name for connector in table.naming(Presented("f", tuple(seen)))}
    expected = {
        str(number)
        for number, names in enumerate(wanted)
        if any(names_match(name, shown) for name in names for shown in seen)
    }
    assert found == expected


@pytest.mark.parametrize(
    ("sender", "is_matched"),
    [
        ("a@contoso.test", True),
        ("a@x.branch.test", True),
        ("a@y.branch.test", False),
        ("a@foreign.test", False),
        ("", False),
    ],
)
def test_associated_accepted_domains_limit_who_may_use_a_connector(sender: str, is_matched: bool) -> None:
    limited = by_address("limited", "192.0.2.1", associated_accepted_domains=("contoso.test", "x.branch.test"))
    assert (chosen(limited, sender=sender) == "limited") is is_matched


@pytest.mark.parametrize(
    ("connector", "is_wanted"),
    [
        (BY_ADDRESS, False),
        (BY_NAME, True),
        (by_name("off", "mail.contoso.test", enabled=False), False),
        (InboundConnector(name="pin", tls_sender_certificate_fingerprints=("00" * 32,)), True),
    ],
)
def test_clients_are_asked_for_certificates_where_a_connector_looks_at_them(
    connector: InboundConnector, is_wanted: bool
) -> None:
    assert wants_certificate(settings(inbound_connectors=(connector,))) is is_wanted


def test_auth_in_clear_is_for_the_addresses_of_a_connector_that_says_so() -> None:
    given = settings(
        inbound_connectors=(
            by_address("old scanner", "192.0.2.7", sender_accounts=("*",), allow_authentication_without_tls=True),
            BY_ADDRESS,
        )
    )
    assert may_authenticate_in_clear(ip_address("192.0.2.7"), given)
    assert not may_authenticate_in_clear(ip_address("192.0.2.1"), given)


class TestOrganizations:
    """Two organisations behind one address: each is let in by its own connectors alone."""

    world = settings(
        organizations=(Organization(name="fabrikam", reject_direct_send=True),),
        accepted_domains=(
            AcceptedDomain(name="contoso.test", route="mailboxes"),
            AcceptedDomain(name="fabrikam.test", route="mailboxes", organization="fabrikam"),
        ),
        accounts=(
            Account(user_name="scanner@contoso.test"),
            Account(user_name="scanner@fabrikam.test", organization="fabrikam"),
        ),
        inbound_connectors=(
            by_address("contoso by address", "192.0.2.10"),
            by_address("fabrikam by address", "192.0.2.10", organization="fabrikam"),
            by_name("contoso by name", "*.contoso.test", "mail.provider.test"),
            by_name("fabrikam by name", "*.fabrikam.test", "mail.provider.test", organization="fabrikam"),
            InboundConnector(name="contoso accounts", sender_accounts=("*",)),
        ),
    )

    @pytest.mark.parametrize(
        ("certificate", "account", "sender", "connector"),
        [
            (None, None, "a@contoso.test", "contoso by address"),
            (None, None, "a@fabrikam.test", "fabrikam by address"),
            (None, None, "a@foreign.test", None),
            (None, None, "", None),
            ("mail.fabrikam.test", None, "a@contoso.test", "fabrikam by name"),
            ("mail.fabrikam.test", None, "", "fabrikam by name"),
            ("mail.provider.test", None, "a@contoso.test", "contoso by name"),
            ("mail.provider.test", None, "a@fabrikam.test", "fabrikam by name"),
            ("mail.unknown.test", None, "a@fabrikam.test", "fabrikam by address"),
            ("mail.fabrikam.test", "scanner@contoso.test", "a@fabrikam.test", "contoso accounts"),
            (None, "scanner@fabrikam.test", "a@contoso.test", None),
        ],
    )
    def test_account_then_certificate_then_sender_tell_whose_connectors_count(
        self, certificate: str | None, account: str | None, sender: str, connector: str | None
    ) -> None:
        tls = TlsFacts("TLSv1.3", "x", AssumedCertificate(certificate) if certificate else None)
        facts = SessionFacts("0", "relay", ip_address("192.0.2.10"), "client.example", tls, account)
        found = attribute(facts, parse_mailbox(sender) if sender else None, self.world, 0.0).connector
        assert (found.name if found else None) == connector

    @pytest.mark.parametrize(
        ("peer", "sender", "recipient", "answer", "reason"),
        [
            ("office", "a@contoso.test", "eve@outside.example", reply.RECIPIENT_OK, Reason.CONNECTOR),
            ("office", "a@foreign.test", "eve@outside.example", reply.RELAY_DENIED, Reason.RELAY_DENIED),
            ("office", "a@foreign.test", "bob@fabrikam.test", reply.RECIPIENT_OK, Reason.CONNECTOR),
            ("office", "a@contoso.test", "bob@fabrikam.test", reply.RECIPIENT_OK, Reason.CONNECTOR),
            (
                "stranger",
                "a@fabrikam.test",
                "bob@fabrikam.test",
                reply.DIRECT_SEND_NOT_ALLOWED,
                Reason.DIRECT_SEND_REJECTED,
            ),
            ("stranger", "a@fabrikam.test", "bob@contoso.test", reply.RECIPIENT_OK, Reason.DIRECT_SEND),
            ("stranger", "a@contoso.test", "bob@contoso.test", reply.RECIPIENT_OK, Reason.DIRECT_SEND),
        ],
    )
    def test_each_recipients_organisation_decides_who_may_send_to_it(
        self, peer: str, sender: str, recipient: str, answer: Reply, reason: Reason
    ) -> None:
        decision, _ = decide(Session(peer), sender, recipient, self.world)
        assert (decision.reply, decision.reason) == (answer, reason)

    def test_nobody_speaks_in_anothers_name_by_its_own_connector(self) -> None:
        """Contoso's certificate lets any sender out to the outside, and none past Fabrikam's RejectDirectSend."""
        tls = TlsFacts("TLSv1.3", "x", AssumedCertificate("mail.contoso.test"))
        facts = SessionFacts("0", "relay", ip_address("198.51.100.1"), "client.example", tls)
        sender = parse_mailbox("boss@fabrikam.test")
        attribution = attribute(facts, sender, self.world, 0.0)
        decision = relay.recipient(
            facts, attribution, sender, Rcpt(Recipient(parse_mailbox("bob@fabrikam.test"))), self.world
        )
        assert decision.reply == reply.DIRECT_SEND_NOT_ALLOWED
