from ipaddress import ip_address

import pytest

from staffetta.mail.address import parse_mailbox
from staffetta.policy.connector import attribute
from staffetta.policy.decision import SessionFacts
from staffetta.policy.route import route
from staffetta.settings.addresses import networks
from staffetta.settings.model import Settings
from staffetta.settings.objects import AcceptedDomain, InboundConnector


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
