"""What the doctor finds without the network: a healthy set-up, spoilt in one place at a time."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from staffetta.doctor.catalogue import CHECKS
from staffetta.doctor.facts import ClientFacts, ClockFacts
from staffetta.doctor.finding import Severity
from staffetta.settings.acme_state import AcmeState, write_acme_state
from tests.certificates import CLIENT, CODE_SIGNING, SERVER, authority, make
from tests.unit.doctor.setups import ENDPOINT, Plant, Setup, findings, found, healthy

SEVERITIES = {kind.code: kind.severity for check in CHECKS for kind in check.kinds}


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setup:
    return healthy(tmp_path, monkeypatch)


def spoilt(name: str, how: str) -> Plant:
    """A file with other contents."""

    def plant(setup: Setup) -> None:
        setup.secret(name, how.encode())

    return plant


def certified(name: str, *names: str, **how: object) -> Plant:
    return lambda setup: setup.certificate(name, *names, **how)


def told(old: str, new: str) -> Plant:
    return lambda setup: setup.change(old, new)


def on_disk(**facts: object) -> Plant:
    return lambda setup: setup.disk.update(facts)


def mode(name: str, bits: int) -> Plant:
    return lambda setup: (setup.folder / name).chmod(bits)


def at_clock(clock: ClockFacts) -> Plant:
    def plant(setup: Setup) -> None:
        setup.clock = clock

    return plant


def from_clients(clients: ClientFacts) -> Plant:
    def plant(setup: Setup) -> None:
        setup.clients = clients

    return plant


def without_intermediate(name: str) -> Plant:
    return lambda setup: setup.write(
        name, make("relay.contoso.test", issuer=setup.intermediate, usages=(SERVER, CLIENT))
    )


def by_private_authority(name: str) -> Plant:
    def plant(setup: Setup) -> None:
        root = authority("Contoso Root")
        made = make("relay.contoso.test", issuer=root, usages=(SERVER, CLIENT), days=(-1, 60))
        setup.write(name, made, root.certificate)

    return plant


def contradiction(setup: Setup) -> None:
    setup.directory_trouble = "connector 'Office' stands in both"


def another_key(setup: Setup) -> None:
    setup.secret("relay.key", make("relay.contoso.test").key_pem)


def open_secret(setup: Setup) -> None:
    setup.secret("secret", b"xyzzy", 0o644)
    setup.add(TOKEN_SOURCE + f'client_secret = "file:{setup.folder}/secret"\n')


def weak_intermediate(setup: Setup) -> None:
    setup.intermediate = authority("Weak Intermediate", setup.root, key=rsa.generate_private_key(65537, 1024))
    setup.certificate("relay")


def ended_list(setup: Setup) -> None:
    """A connector's authority whose revocation list cannot be read."""
    root = authority("Contoso Root")
    setup.write("contoso", root)
    setup.secret("contoso.crl", b"no list")
    setup.add(AUTHORITY + 'revocation_lists = "contoso.crl"\n' + BY_CERTIFICATE)


def refused_order(setup: Setup) -> None:
    setup.add("[acme]\nterms_agreed = true\n")
    setup.secret("data/acme/state.json", b"")
    write_acme_state(setup.folder / "data", AcmeState(1.0, 2.0, 3, "relay.contoso.test: connection refused"))


AUTHORITY = '[[trusted_authorities]]\nname = "Contoso"\ncertificates = "contoso.pem"\n'
BY_CERTIFICATE = (
    '[[inbound_connectors]]\nname = "By certificate"\ntls_sender_certificate_name = "a.contoso.test"\n'
    'trusted_authority = "Contoso"\nrequire_tls = true\n'
)
TOKEN_SOURCE = '[[token_sources]]\nname = "m365"\ntoken_endpoint = "https://login.contoso.test/t"\nclient_id = "x"\n'
GATEWAY = "172.17.0.1"
DOCKER = ClientFacts(((GATEWAY, 30),), ("printer", "scanner", "mail.fabrikam.test"), gateway=GATEWAY)
OFFICE = 'sender_ip_addresses = ["10.1.0.0/16"]'

PLANTED: list[tuple[Any, ...]] = [
    ("directory-contradicts-the-file", contradiction),
    ("setting-likely-not-meant", told('name = "contoso.test"', 'name = "contoso.test"\nrecipients = []')),
    ("open-relay", told(OFFICE, 'sender_ip_addresses = ["0.0.0.0/1"]')),
    ("open-relay", told(OFFICE, 'sender_ip_addresses = ["::/0"]\nallow_any_address = true')),
    (
        "accepted-domain-very-wide",
        told(
            "[[inbound",
            '[[accepted_domains]]\nname = "org"\ninclude_subdomains = true\nroute = "internet"\n\n[[inbound',
        ),
    ),
    ("connector-very-wide", told(OFFICE, 'sender_ip_addresses = ["8.16.0.0/12"]')),
    ("certificate-unusable", another_key),
    ("certificate-unusable", spoilt("relay.pem", "no certificate")),
    ("certificate-unusable", lambda setup: (setup.folder / "client.key").unlink()),
    ("certificate-unusable", certified("relay", key=rsa.generate_private_key(65537, 1024))),
    ("certificate-expired", certified("relay", days=(-90, -1))),
    ("certificate-expired", certified("client", usages=(CLIENT,), days=(-90, -1))),
    ("certificate-not-yet-valid", certified("relay", days=(1, 60))),
    ("certificate-ends-soon", certified("relay", days=(-80, 10))),
    ("certificate-weak", weak_intermediate),
    ("certificate-not-for-servers", certified("relay", usages=(CLIENT,))),
    ("certificate-not-for-clients", told(ENDPOINT, "mail.fabrikam.test"), certified("client", usages=(SERVER,))),
    ("certificate-not-for-tls", certified("client", usages=(CODE_SIGNING,))),
    ("certificate-chain-incomplete", without_intermediate("relay")),
    ("certificate-chain-incomplete", without_intermediate("client")),
    ("certificate-not-public", by_private_authority("relay")),
    ("certificate-not-public-for-submission", certified("relay", issuer=None)),
    ("certificate-name-missing", certified("relay", "other.contoso.test")),
    ("authority-unusable", lambda setup: setup.add(AUTHORITY + BY_CERTIFICATE)),
    ("authority-unusable", ended_list),
    ("acme-not-issued", refused_order),
    ("exchange-certificate-not-public", by_private_authority("client")),
    ("exchange-certificate-not-of-an-accepted-domain", certified("client", "relay.fabrikam.test", usages=(CLIENT,))),
    ("exchange-certificate-serverauth-only", certified("client")),
    ("exchange-endpoint-of-another-domain", told(ENDPOINT, "fabrikam-test.mail.protection.outlook.com")),
    ("exchange-certificate-not-shown", told('tls = "verified"', 'tls = "opportunistic"')),
    ("disk-unusable", on_disk(trouble="it cannot be written to: Permission denied")),
    ("disk-full", on_disk(free_octets=2**20)),
    ("disk-filling", on_disk(free_octets=2**33)),
    ("disk-filling", on_disk(free_inodes=100)),
    ("disk-sync-slow", on_disk(sync_ms=180.0)),
    ("disk-in-memory", on_disk(file_system="tmpfs")),
    ("disk-of-the-container", on_disk(file_system="overlay")),
    ("disk-over-the-network", on_disk(file_system="nfs4")),
    ("secret-readable-by-others", mode("relay.key", 0o644)),
    ("secret-readable-by-others", mode("data", 0o755)),
    ("secret-readable-by-others", open_secret),
    ("file-writable-by-others", mode("client.key", 0o620)),
    ("file-missing", lambda setup: setup.add(TOKEN_SOURCE + 'refresh_token_file = "tokens/m365"\n')),
    ("clock-wrong", at_clock(ClockFacts(True, (("time.contoso.test", -400.0),)))),
    ("clock-off", at_clock(ClockFacts(True, (("time.contoso.test", 30.0), ("other.test", 1.0))))),
    ("clock-not-synchronised", at_clock(ClockFacts(False))),
    ("clients-are-one-address", from_clients(DOCKER)),
    ("clients-are-one-trusted-address", from_clients(DOCKER), told("10.1.0.0/16", "172.16.0.0/12")),
]


def test_a_healthy_set_up_has_nothing(setup: Setup) -> None:
    assert findings(setup.report()) == []


@pytest.mark.parametrize(
    ("code", "plants"), [(code, plants) for code, *plants in PLANTED], ids=[code for code, *_ in PLANTED]
)
def test_a_planted_fault_is_found_and_no_other_of_its_severity(setup: Setup, code: str, plants: list[Plant]) -> None:
    for plant in plants:
        plant(setup)
    report = setup.report()
    assert set(found(report, SEVERITIES[code])) == {code}


def test_an_open_connector_of_another_organisation_is_found(setup: Setup) -> None:
    setup.add(
        '[[organizations]]\nname = "fabrikam"\n\n[[accepted_domains]]\nname = "fabrikam.test"\nroute = "internet"\n'
        'organization = "fabrikam"\n\n[[inbound_connectors]]\nname = "Everybody"\norganization = "fabrikam"\n'
        'sender_ip_addresses = ["128.0.0.0/1"]\n'
    )
    (finding,) = [each for each in findings(setup.report()) if each.severity is Severity.ERROR]
    assert finding.code == "open-relay"
    assert "postmaster@fabrikam.test" in finding.seen
    assert "'Everybody'" in finding.action


def test_listeners_that_share_a_certificate_share_what_is_found(setup: Setup) -> None:
    setup.add(
        '[[listeners]]\nname = "submissions"\nkind = "submission"\nimplicit_tls = true\naddress = "127.0.0.1:0"\n'
        'certificate = "relay.pem"\nprivate_key = "relay.key"\n'
    )
    setup.certificate("relay", days=(-90, -1))
    assert [finding.seen.partition(" ended")[0] for finding in findings(setup.report())] == [
        "the certificate of listener relay",
        "the certificate of listeners submission, submissions",
    ]


def test_findings_stand_in_the_order_of_their_severity(setup: Setup) -> None:
    for plant in (certified("relay", issuer=None), on_disk(sync_ms=500.0), mode("client.key", 0o644)):
        plant(setup)
    severities = [finding.severity for finding in findings(setup.report())]
    assert severities == sorted(severities, key=list(Severity).index)
    assert len(set(severities)) == 3


def test_a_secret_is_in_no_finding(setup: Setup) -> None:
    open_secret(setup)
    assert "xyzzy" not in repr(setup.facts()) + repr(setup.report())


def test_a_relay_with_few_clients_is_not_judged_by_them(setup: Setup) -> None:
    setup.clients = ClientFacts(((GATEWAY, 5),), ("printer",), gateway=GATEWAY)
    report = setup.report()
    assert [each.not_checked for each in report.examined if each.check == "Addresses of clients"] == [
        ("fewer than 20 messages and refusals are in the trace",)
    ]


@pytest.mark.parametrize(
    "clients",
    [
        ClientFacts((("10.1.0.5", 40),), ("mail.contoso.test",), gateway="10.1.0.1"),
        ClientFacts((("127.0.0.1", 40),), ("a", "b", "c")),
        ClientFacts((("10.1.0.1", 39), ("10.1.0.5", 1)), ("a", "b", "c"), gateway="10.1.0.1"),
        ClientFacts((("192.0.2.25", 40),), ("mail.contoso.test",)),
    ],
    ids=["one server of ours", "programs on this machine", "two clients", "one host of the Internet"],
)
def test_clients_that_are_few_for_good_reason_are_no_trap(setup: Setup, clients: ClientFacts) -> None:
    setup.clients = clients
    assert findings(setup.report()) == []
