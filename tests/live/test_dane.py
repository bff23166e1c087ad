"""DANE with what is real: zones that ldns signs, Unbound that validates, Postfix that shows the certificate."""

import hashlib
import shutil
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives import serialization

from tests.certificates import SERVER, Made, authority, make, pem
from tests.live import names as dns
from tests.live import postfix
from tests.live.conftest import need
from tests.live.names import Names
from tests.live.outside import cannot_be_an_exchanger, relay_by_mx, sent_to
from tests.live.postfix import Postfix
from tests.live.relay import Relay, open_folder
from tests.live.sink import EVERYTHING, Sink

pytestmark = pytest.mark.live

HERE = "127.0.2.3"
ROOT = authority("An authority that nobody knows")
LEAF = make("mx.anchor.test", issuer=ROOT, usages=(SERVER,)).sending(ROOT)
OTHER = make("mx.wrong.test", usages=(SERVER,))


def tlsa(usage: int, made: Made) -> str:
    key = made.certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return f"_25._tcp.mx IN TLSA {usage} 1 1 {hashlib.sha256(key).hexdigest()}\n"


def zone(name: str, *records: str) -> str:
    return f"@ IN MX 10 mx.{name}.\nmx IN A {HERE}\n{''.join(records)}"


RECORDS = {
    "key.test": (tlsa(3, LEAF),),
    "anchor.test": (tlsa(2, ROOT),),
    "misnamed.test": (tlsa(2, ROOT),),
    "wrong.test": (tlsa(3, OTHER),),
    "unusable.test": (tlsa(1, LEAF),),
    "without.test": (),
    "unsigned.test": (tlsa(3, OTHER),),
    "forged.test": (tlsa(3, LEAF),),
}


@pytest.fixture(scope="module")
def relay() -> Iterator[Relay]:
    need(dns.missing())
    need(postfix.missing())
    need(cannot_be_an_exchanger())
    folder = open_folder()
    (folder / "postfix.pem").write_bytes(LEAF.key_pem + pem(LEAF.certificate, *LEAF.chain))
    tls = f"smtpd_tls_security_level = may\nsmtpd_tls_chain_files = {folder}/postfix.pem\n"
    zones = {name: zone(name, *records) for name, records in RECORDS.items()}
    signed = frozenset(zones) - {"unsigned.test"}
    good, bad = (tlsa(3, made).split()[-1].strip() for made in (LEAF, OTHER))
    with (
        Sink(*EVERYTHING) as behind,
        Postfix(behind.port, port=25, address=HERE, more=tls),
        Names(zones, signed=signed, forged={"forged.test": (good, bad)}) as names,
        relay_by_mx(folder, names) as relay,
    ):
        yield relay
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("domain", "policy", "is_verified"),
    [
        ("key.test", "dane: verified", True),
        ("anchor.test", "dane: verified", True),
        ("unusable.test", "dane: required", False),
        ("without.test", "route: opportunistic", False),
        ("unsigned.test", "route: opportunistic", False),
    ],
)
def test_the_trace_says_which_policy_applied_and_how_it_was_met(
    relay: Relay, domain: str, policy: str, is_verified: bool
) -> None:
    told = sent_to(relay, f"bob@{domain}")
    assert told.status == "Delivered"
    assert str(told.event["tls"]).startswith("TLSv1.3")
    assert (told.event["tls_policy"], told.event["tls_verified"]) == (policy, is_verified)


@pytest.mark.parametrize(
    ("domain", "status", "reply"),
    [
        ("wrong.test", "4.7.5", "is none that its TLSA records name (3 1 1 "),
        ("misnamed.test", "4.7.5", "its certificate names mx.anchor.test"),
        ("forged.test", "4.4.3", "without it mx.forged.test is not used"),
    ],
)
def test_what_is_not_as_the_records_say_gets_no_mail(relay: Relay, domain: str, status: str, reply: str) -> None:
    told = sent_to(relay, f"bob@{domain}")
    assert (told.event["event"], told.event["status"]) == ("Defer", status)
    assert reply in str(told.event["reply"])
