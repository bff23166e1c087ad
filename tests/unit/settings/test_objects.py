"""What is right, in the file as in the directory; what is right and warned about; and how Exchange spells it."""

from pathlib import Path
from typing import Any

import pytest

from staffetta.settings.addresses import host_bits, networks
from staffetta.settings.advice import warnings
from staffetta.settings.checks import check
from staffetta.settings.file import load
from staffetta.settings.model import Listener, ListenerKind, Settings, TokenIssuer
from staffetta.settings.objects import (
    AcceptedDomain,
    Account,
    ConnectorType,
    DomainType,
    InboundConnector,
    Organization,
    TrustedAuthority,
    outside_name,
)
from staffetta.settings.roads import NextHop, Route

FINGERPRINT = "0123456789abcdef" * 4
PARTNER = {"connector_type": ConnectorType.PARTNER}
HASH = "$argon2id$v=19$m=19456,t=2,p=1$IsdRCQtbz9uqTq1/n7soGg$PGD8ZmJLykiGTbNaOmxb66Pt5mIiw7bROXyiTpENfA4"


def settings(**changes: Any) -> Settings:
    return Settings(
        hostname="relay.contoso.test",
        data_dir=Path("/nowhere"),
        routes=(Route(name="out", next_hops=(NextHop(host="192.0.2.1"),)),),
        **{
            "accepted_domains": (AcceptedDomain(name="contoso.test", include_subdomains=True, route="out"),),
            "accounts": (Account(user_name="Scanner@contoso.test", password_hashes=(HASH,)),),
            "organizations": (Organization(name="fabrikam", endpoint="fabrikam"),),
            "trusted_authorities": (TrustedAuthority(name="Contoso CA", certificates=Path("/etc/ca.pem")),),
            **changes,
        },
    )


def connector(**values: Any) -> InboundConnector:
    return InboundConnector(name="Office", **values)


GOOD = {
    "an address": {"sender_ip_addresses": "192.0.2.7"},
    "a network by an address in it, as Exchange takes it": {"sender_ip_addresses": ("192.168.0.1/25",)},
    "a private network of any length, a range, IPv6": {
        "sender_ip_addresses": ("10.0.0.0/8", "192.0.2.1-192.0.2.9", "2001:db8::/32")
    },
    "senders rewritten": {
        "sender_ip_addresses": "192.0.2.7",
        "sender_rewriting": "force-if-not-allowed",
        "rewritten_sender": "relay@sub.contoso.test",
        "allowed_senders": ("ada@contoso.test", "*@branch.test"),
    },
    "a certificate name": {"require_tls": True, "tls_sender_certificate_name": "*.Contoso.test"},
    "a certificate name of the private authority": {
        "require_tls": True,
        "tls_sender_certificate_name": "mail.contoso.test",
        "trusted_authority": "own",
    },
    "a certificate name of a named authority": {
        "require_tls": True,
        "tls_sender_certificate_name": "mail.contoso.test",
        "trusted_authority": "Contoso CA",
    },
    "a fingerprint without colons": {"require_tls": True, "tls_sender_certificate_fingerprints": FINGERPRINT},
    "a fingerprint with colons": {
        "require_tls": True,
        "tls_sender_certificate_fingerprints": ":".join([FINGERPRINT[:2].upper()] * 32),
    },
    "an account in any case": {"sender_accounts": "scanner@Contoso.test"},
    "every account": {"sender_accounts": "*"},
    "nothing, switched off": {"enabled": False},
    "an accepted domain, and one below it": {
        "sender_ip_addresses": "192.0.2.7",
        "associated_accepted_domains": ("Contoso.test", "a.contoso.test"),
    },
    "the certificate snippet of the article": {
        "sender_domains": "*",
        "restrict_domains_to_ip_addresses": True,
        "require_tls": True,
        "tls_sender_certificate_name": "*.contoso.test",
    },
    "a partner whose domains must come by TLS": {**PARTNER, "require_tls": True, "sender_domains": "*.fabrikam.test"},
}


@pytest.mark.parametrize("values", GOOD.values(), ids=list(GOOD))
def test_a_connector_may_tell_its_clients_by(values: dict[str, Any]) -> None:
    assert list(check(settings(inbound_connectors=(connector(**values),)))) == []


WARNED = {
    "host bits": (
        {"sender_ip_addresses": "192.168.0.1/25"},
        "sender_ip_addresses",
        "192.168.0.1/25 is read as the whole network 192.168.0.0/25",
    ),
    "an authority without a name": (
        {"sender_ip_addresses": "192.0.2.7", "trusted_authority": "own"},
        "trusted_authority",
        "it changes nothing without tls_sender_certificate_name",
    ),
    "what Exchange has and we have not": (
        {"sender_ip_addresses": "192.0.2.7", "ef_skip_last_ip": True},
        "ef_skip_last_ip",
        "it is kept for Exchange's sake, and changes nothing here",
    ),
    "a restriction by address where addresses tell the client": (
        {"sender_ip_addresses": "192.0.2.7", "restrict_domains_to_ip_addresses": True},
        "restrict_domains_to_ip_addresses",
        "it changes nothing for OnPremises: the addresses are the gate already",
    ),
    "a restriction by certificate where certificates tell the client": (
        {"sender_ip_addresses": "192.0.2.7", "restrict_domains_to_certificate": True},
        "restrict_domains_to_certificate",
        "it changes nothing for OnPremises: the certificate is the gate already",
    ),
    "senders rewritten": (
        {"sender_ip_addresses": "192.0.2.7", "sender_rewriting": "force", "rewritten_sender": "relay@contoso.test"},
        "sender_rewriting",
        "it breaks the DKIM signatures of its clients' mail, which cover From; let a later host sign",
    ),
    "an address for rewriting, and none asked for": (
        {"sender_ip_addresses": "192.0.2.7", "rewritten_sender": "relay@contoso.test"},
        "rewritten_sender",
        "it changes nothing while sender_rewriting is keep",
    ),
    "a partner whose senders are rewritten": (
        {**PARTNER, "require_tls": True, "sender_rewriting": "force", "rewritten_sender": "relay@contoso.test"},
        "sender_rewriting",
        "it changes nothing for Partner: only what an OnPremises connector lets in is rewritten",
    ),
    "a partner without a restriction": (
        {**PARTNER, "sender_ip_addresses": "192.0.2.7"},
        "connector_type",
        (
            "a Partner connector only restricts, and this one restricts nothing; "
            "to relay to the outside it must be OnPremises"
        ),
    ),
    "a partner that logs in": (
        {**PARTNER, "require_tls": True, "sender_accounts": "*"},
        "sender_accounts",
        "it changes nothing for Partner: who logs in needs an OnPremises connector",
    ),
}


@pytest.mark.parametrize(("values", "key", "text"), WARNED.values(), ids=list(WARNED))
def test_what_changes_nothing_is_warned_about(values: dict[str, Any], key: str, text: str) -> None:
    given = settings(inbound_connectors=(connector(**values),))
    assert list(check(given)) == []
    assert list(warnings(given)) == [(("inbound_connectors", 0, key), text)]


@pytest.mark.parametrize(
    ("changes", "section", "key"),
    [
        (
            {
                "listeners": (Listener(name="in", address="127.0.0.1:0", kind=ListenerKind.SUBMISSION),),
                "accounts": (),
            },
            "listeners",
            "kind",
        ),
        (
            {
                "accepted_domains": (
                    AcceptedDomain(name="a.test", type=DomainType.INTERNAL_RELAY, recipients=("b",), route="out"),
                )
            },
            "accepted_domains",
            "recipients",
        ),
        (
            {"accepted_domains": (AcceptedDomain(name="a.test", recipients=(), route="out"),)},
            "accepted_domains",
            "recipients",
        ),
        ({"accounts": (Account(user_name="ada"),)}, "accounts", "password_hashes"),
    ],
)
def test_other_objects_are_warned_about_too(changes: dict[str, Any], section: str, key: str) -> None:
    assert [where for where, _ in warnings(settings(**changes))] == [(section, 0, key)]


def test_an_account_without_a_password_may_bring_a_token() -> None:
    issuer = TokenIssuer(issuer="https://login.test", audience=("relay",), keys="https://login.test/keys")
    assert list(warnings(settings(accounts=(Account(user_name="ada"),), token_issuers=(issuer,)))) == []


@pytest.mark.parametrize(
    ("text", "network", "meant"),
    [
        ("192.168.0.1/25", "192.168.0.0/25", "192.168.0.0/25"),
        ("192.168.0.0/25", "192.168.0.0/25", None),
        ("192.168.0.1", "192.168.0.1/32", None),
        ("2001:db8::1/32", "2001:db8::/32", "2001:db8::/32"),
        ("::ffff:192.0.2.1/120", "192.0.2.0/24", "192.0.2.0/24"),
    ],
)
def test_an_address_with_a_prefix_length_is_its_network(text: str, network: str, meant: str | None) -> None:
    assert [str(each) for each in networks(text)] == [network]
    assert (None if host_bits(text) is None else str(host_bits(text))) == meant


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("sender_ip_addresses", "SenderIPAddresses"),
        ("restrict_domains_to_ip_addresses", "RestrictDomainsToIPAddresses"),
        ("require_tls", "RequireTls"),
        ("tls_sender_certificate_name", "TlsSenderCertificateName"),
        ("ef_skip_last_ip", "EFSkipLastIP"),
        ("ef_skip_ips", "EFSkipIPs"),
        ("ef_skip_mail_gateway", "EFSkipMailGateway"),
    ],
)
def test_properties_are_spelt_as_in_exchange(key: str, name: str) -> None:
    assert outside_name(key) == name


def test_domains_are_kept_in_lower_case(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(
        'hostname = "relay.test"\ndata_dir = "var"\nroutes = [{ name = "out", next_hops = [{ host = "b" }] }]\n'
        '[[accepted_domains]]\nname = "Contoso.TEST"\nroute = "out"\n'
    )
    assert load(file).accepted_domains[0].name == "contoso.test"


def test_the_hashes_of_an_account_may_stand_in_another_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    (tmp_path / "scanner.hash").write_text(f"{HASH}\n{HASH}\n")
    account = '[[accounts]]\nuser_name = "scanner"\npassword_hashes = "file:scanner.hash"\n'
    file.write_text(f'hostname = "relay.test"\ndata_dir = "var"\n{account}')
    assert load(file).accounts[0].password_hashes == (HASH, HASH)
