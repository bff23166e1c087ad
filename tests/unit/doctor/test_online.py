"""What the doctor finds in the DNS: a healthy set-up with its zones, spoilt in one place at a time."""

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import dns.rcode
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from staffetta.doctor.catalogue import CHECKS
from staffetta.doctor.checks import resolver
from staffetta.doctor.facts import NetworkFacts, ResolverFacts
from tests.unit.doctor.setups import ENDPOINT, HOSTNAME, POLICY, Plant, Setup, findings, found, healthy

SEVERITIES = {kind.code: kind.severity for check in CHECKS for kind in check.kinds}
ADDRESS = "203.0.113.7"
REVERSE = "7.113.0.203.in-addr.arpa"
INCLUDED = "spf.protection.outlook.com"


def key(bits: int) -> str:
    public = rsa.generate_private_key(65537, bits).public_key()
    return base64.b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


KEY = key(2048)


def texts(text: str) -> list[str]:
    """A TXT record, in strings of 255 octets at most."""
    return [" ".join(f'"{text[at : at + 250]}"' for at in range(0, len(text), 250))]


def zone() -> dict[tuple[str, str], list[str]]:
    return {
        ("signed.test", "TXT"): texts("signed"),
        (HOSTNAME, "A"): [ADDRESS],
        (REVERSE, "PTR"): [f"{HOSTNAME}."],
        ("contoso.test", "MX"): [f"0 {ENDPOINT}."],
        (ENDPOINT, "A"): ["52.101.73.1", "52.101.73.2"],
        ("contoso.test", "TXT"): texts(f"v=spf1 ip4:{ADDRESS} include:{INCLUDED} ~all"),
        (INCLUDED, "TXT"): texts("v=spf1 ip4:40.92.0.0/15 ip6:2a01:111:f400::/48 -all"),
        ("_dmarc.contoso.test", "TXT"): texts("v=DMARC1; p=reject; rua=mailto:dmarc@contoso.test"),
        ("selector1._domainkey.contoso.test", "TXT"): texts(f"v=DKIM1; k=rsa; p={KEY}"),
        ("_mta-sts.contoso.test", "TXT"): texts("v=STSv1; id=20261124"),
        ("_smtp._tls.contoso.test", "TXT"): texts("v=TLSRPTv1; rua=mailto:tls@contoso.test"),
    }


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setup:
    setup = healthy(tmp_path, monkeypatch)
    setup.dns.zone = zone()
    setup.dns.authenticated = {"signed.test"}
    setup.dns.broken = {"forged.test": dns.rcode.SERVFAIL}
    setup.add(f'[doctor]\npublic_addresses = ["{ADDRESS}"]\ndkim_selectors = ["selector1"]\n')
    return setup


def record(name: str, kind: str, *values: str) -> Plant:
    """Other records than the healthy ones; none takes the name away."""

    def plant(setup: Setup) -> None:
        setup.dns.zone.pop((name, kind), None)
        if values:
            setup.dns.zone[name, kind] = [*values]

    return plant


def text(name: str, *values: str) -> Plant:
    return record(name, "TXT", *(each for value in values for each in texts(value)))


def spf(*values: str) -> Plant:
    return text("contoso.test", *values)


def broken(name: str, rcode: int | None = dns.rcode.SERVFAIL) -> Plant:
    return lambda setup: setup.dns.broken.update({name: rcode})


def policy(served: str) -> Plant:
    def plant(setup: Setup) -> None:
        setup.policy = served

    return plant


def many_includes(setup: Setup) -> None:
    for number in range(11):
        setup.dns.zone[f"_spf{number}.contoso.test", "TXT"] = texts("v=spf1 ip4:192.0.2.1 -all")
    words = " ".join(f"include:_spf{number}.contoso.test" for number in range(11))
    setup.dns.zone["contoso.test", "TXT"] = texts(f"v=spf1 ip4:{ADDRESS} {words} -all")


def nothing_answers(setup: Setup) -> None:
    setup.dns.broken |= dict.fromkeys(["signed.test", HOSTNAME], dns.rcode.SERVFAIL)


def not_signed(setup: Setup) -> None:
    setup.dns.authenticated.clear()


def forged_passes(setup: Setup) -> None:
    setup.dns.broken.clear()
    setup.dns.zone["forged.test", "A"] = ["192.0.2.1"]


PLANTED: list[tuple[Any, ...]] = [
    ("resolver-silent", nothing_answers),
    ("resolver-not-validating", not_signed),
    ("resolver-not-validating", forged_passes),
    ("next-hop-unknown", lambda setup: setup.change("next_hops = [", 'next_hops = [{ host = "gone.test" }, ')),
    ("mx-missing", record("contoso.test", "MX")),
    ("mx-says-no-mail", record("contoso.test", "MX", "0 .")),
    ("mx-host-unknown", record("contoso.test", "MX", "10 gone.mail.protection.outlook.com.")),
    ("domain-dns-fails", broken("contoso.test")),
    ("ptr-missing", record(REVERSE, "PTR")),
    ("ptr-not-confirmed", record(REVERSE, "PTR", "other.contoso.test.")),
    ("ptr-looks-dynamic", record(REVERSE, "PTR", "a.dsl.provider.test."), record("a.dsl.provider.test", "A", ADDRESS)),
    (
        "ptr-looks-dynamic",
        record(REVERSE, "PTR", "host-203-0-113-7.provider.test."),
        record("host-203-0-113-7.provider.test", "A", ADDRESS),
    ),
    (
        "helo-not-ours",
        record(HOSTNAME, "A", "198.51.100.7"),
        record(REVERSE, "PTR", "mail.contoso.test."),
        record("mail.contoso.test", "A", ADDRESS),
    ),
    ("spf-missing", spf()),
    ("spf-broken", spf("v=spf1 ip4:203.0.113.7 -all", "v=spf1 -all")),
    ("spf-broken", spf("v=spf1 ipv4:203.0.113.7 -all")),
    ("spf-broken", spf("v=spf1 ip4:203.0.113.7 include:nothing.contoso.test -all")),
    ("spf-broken", spf("v=spf1 ip4:203.0.113.7 include:contoso.test -all")),
    ("spf-broken", spf("v=spf1 ip4:203.0.113.777 -all")),
    ("spf-too-many-lookups", many_includes),
    ("spf-too-many-lookups", spf("v=spf1 ip4:203.0.113.7 a:x.test a:y.test a:z.test -all")),
    ("spf-refuses-us", spf(f"v=spf1 include:{INCLUDED} -all")),
    ("spf-does-not-cover-us", spf(f"v=spf1 include:{INCLUDED} ~all")),
    ("spf-lets-everybody", spf("v=spf1 +all")),
    ("dkim-missing", text("selector1._domainkey.contoso.test")),
    ("dkim-key-missing", text("selector1._domainkey.contoso.test"), text("s2._domainkey.contoso.test", "v=DKIM1; p=x")),
    ("dkim-key-broken", text("selector1._domainkey.contoso.test", "v=DKIM1; p=")),
    ("dkim-key-broken", text("selector1._domainkey.contoso.test", f"v=DKIM1; p={KEY[:100]}")),
    ("dkim-key-broken", text("selector1._domainkey.contoso.test", f"v=DKIM1; p={key(1024)[:-8]}")),
    ("dmarc-missing", text("_dmarc.contoso.test")),
    ("dmarc-broken", text("_dmarc.contoso.test", "v=DMARC1; rua=mailto:dmarc@contoso.test")),
    ("dmarc-broken", text("_dmarc.contoso.test", "v=DMARC1; p=none", "v=DMARC1; p=reject")),
    ("dmarc-only-watches", text("_dmarc.contoso.test", "v=DMARC1; p=none")),
    ("mta-sts-missing", text("_mta-sts.contoso.test")),
    ("mta-sts-broken", text("_mta-sts.contoso.test", "v=STSv1; id=2026-11-24")),
    ("mta-sts-broken", policy("no policy")),
    ("mta-sts-does-not-name-the-mx", policy(POLICY.replace("*.mail.protection.outlook.com", "mx.contoso.test"))),
    (
        "mx-not-in-certificate",
        record("contoso.test", "MX", "0 mx.contoso.test."),
        record("mx.contoso.test", "A", ADDRESS),
    ),
    ("tls-rpt-missing", text("_smtp._tls.contoso.test")),
    ("tls-rpt-broken", text("_smtp._tls.contoso.test", "v=TLSRPTv1; rua=tls@contoso.test")),
]


def test_a_healthy_set_up_has_nothing(setup: Setup) -> None:
    assert findings(setup.online_report()) == []


@pytest.mark.parametrize(
    ("code", "plants"), [(code, plants) for code, *plants in PLANTED], ids=[code for code, *_ in PLANTED]
)
def test_a_planted_fault_is_found_and_no_other_of_its_severity(setup: Setup, code: str, plants: list[Plant]) -> None:
    for plant in plants:
        plant(setup)
    assert set(found(setup.online_report(), SEVERITIES[code])) == {code}


def test_without_a_resolver_what_needs_it_says_so(setup: Setup) -> None:
    nothing_answers(setup)
    report = setup.online_report()
    left_out = {each.check for each in report.examined if "it needs a resolver that answers" in each.not_checked}
    assert {"SPF", "DKIM", "DMARC", "Public address"} <= left_out


def test_offline_nobody_is_asked(setup: Setup) -> None:
    report = setup.report()
    assert {each.check for each in report.examined if each.not_checked == ("it needs the network",)} >= {
        "SPF",
        "Resolver",
    }
    assert setup.dns.asked == []


def test_where_nobody_goes_by_our_address_it_is_not_looked_at(setup: Setup) -> None:
    setup.change('transport = "mx"', 'next_hops = [{ host = "192.0.2.25" }]')
    setup.change(ENDPOINT, "mail.fabrikam.test")
    setup.dns.zone["mail.fabrikam.test", "A"] = ["192.0.2.1"]
    record(REVERSE, "PTR")(setup)
    spf("v=spf1 -all")(setup)
    assert findings(setup.online_report()) == []


def test_a_resolver_beyond_this_machine_is_not_believed_unasked(setup: Setup) -> None:
    network = NetworkFacts(resolver=ResolverFacts(None, True, False), hosts={}, domains=(), own=())
    facts = replace(setup.facts(), network=network)
    assert [finding.code for finding in resolver.judge(facts)] == ["resolver-not-believed"]


def test_the_policy_of_a_domain_above_counts(setup: Setup) -> None:
    setup.change('name = "contoso.test"', 'name = "mail.contoso.test"')
    for at, kind in list(setup.dns.zone):
        if at.endswith("contoso.test") and at != HOSTNAME and not at.startswith("_dmarc"):
            setup.dns.zone[at.replace("contoso.test", "mail.contoso.test"), kind] = setup.dns.zone[at, kind]
    setup.change(ENDPOINT, "mail-contoso-test.mail.protection.outlook.com")
    setup.dns.zone["mail-contoso-test.mail.protection.outlook.com", "A"] = ["52.101.73.1"]
    setup.certificate("client", "relay.mail.contoso.test", usages=())
    assert "dmarc-missing" not in [finding.code for finding in findings(setup.online_report())]
