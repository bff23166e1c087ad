"""Which TLSA records count, and which certificates are what they say."""

import hashlib

import pytest
from cryptography.hazmat.primitives import serialization

from staffetta.delivery.dane import TlsaSet, problem_with, published_by, usable
from staffetta.delivery.mx import Exchanger
from staffetta.net.resolver import DnsResolver, LookupFailed, Tlsa
from staffetta.policy.decision import PeerCertificate
from tests.certificates import NOW, SERVER, Made, authority, make
from tests.delivery_sockets.carrying import run
from tests.dns_server import DnsServer

HOST = "mx.example.test"
NAMES = (HOST,)

ROOT = authority("A root of nobody's")
MIDDLE = authority("An intermediate", ROOT)
LEAF = make(HOST, issuer=MIDDLE, usages=(SERVER,)).sending(MIDDLE, ROOT)
WITHOUT_ROOT = make(HOST, issuer=ROOT, usages=(SERVER,))
OTHER = make(HOST, usages=(SERVER,))
EXPIRED = make("elsewhere.test", usages=(SERVER,), days=(-30, -1))
EXPIRED_BELOW = make(HOST, issuer=ROOT, usages=(SERVER,), days=(-30, -1)).sending(ROOT)
MISNAMED_BELOW = make("elsewhere.test", issuer=ROOT, usages=(SERVER,)).sending(ROOT)


def octets(made: Made, selector: int) -> bytes:
    if selector == 0:
        return made.der
    return made.certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def record(usage: int, selector: int, matching: int, made: Made) -> Tlsa:
    data = octets(made, selector)
    digest = {0: data, 1: hashlib.sha256(data).digest(), 2: hashlib.sha512(data).digest()}[matching]
    return Tlsa(usage, selector, matching, digest)


def shown(made: Made) -> PeerCertificate:
    return PeerCertificate(made.der, tuple(each.public_bytes(serialization.Encoding.DER) for each in made.chain))


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
@pytest.mark.parametrize(("usage", "named"), [(3, LEAF), (2, MIDDLE), (2, ROOT)])
def test_a_certificate_or_its_authority_that_a_record_names_is_good(
    usage: int, named: Made, selector: int, matching: int
) -> None:
    records = usable([record(usage, selector, matching, named)])
    assert len(records) == 1
    assert problem_with(shown(LEAF), records, NAMES, NOW.timestamp()) is None


def test_an_authority_that_is_whole_in_the_record_need_not_be_sent() -> None:
    assert problem_with(shown(WITHOUT_ROOT), [record(2, 0, 0, ROOT)], NAMES, NOW.timestamp()) is None


def test_one_of_several_records_is_enough() -> None:
    records = [record(3, 1, 1, OTHER), record(3, 1, 1, LEAF)]
    assert problem_with(shown(LEAF), records, NAMES, NOW.timestamp()) is None


def test_of_the_hosts_own_key_neither_name_nor_date_counts() -> None:
    assert problem_with(shown(EXPIRED), [record(3, 1, 1, EXPIRED)], NAMES, NOW.timestamp()) is None


@pytest.mark.parametrize(
    ("made", "records", "told"),
    [
        (OTHER, [record(3, 1, 1, LEAF)], "is none that its TLSA records name (3 1 1 "),
        (OTHER, [record(2, 0, 1, ROOT)], "is none that its TLSA records name (2 0 1 "),
        (WITHOUT_ROOT, [record(2, 0, 1, ROOT)], "is none that its TLSA records name"),
        (OTHER.sending(ROOT), [record(2, 0, 1, ROOT)], "its TLSA records"),
        (EXPIRED_BELOW, [record(2, 0, 1, ROOT)], "it expired on"),
        (MISNAMED_BELOW, [record(2, 0, 1, ROOT)], f"names elsewhere.test, and its TLSA records want {HOST}"),
    ],
)
def test_what_no_record_names_is_told(made: Made, records: list[Tlsa], told: str) -> None:
    problem = problem_with(shown(made), records, NAMES, NOW.timestamp())
    assert problem is not None and told in problem


@pytest.mark.parametrize(
    "bad",
    [
        record(0, 1, 1, LEAF),
        record(1, 1, 1, LEAF),
        Tlsa(3, 2, 1, b"\0" * 32),
        Tlsa(3, 1, 3, b"\0" * 32),
        Tlsa(3, 1, 1, b"\0" * 31),
        Tlsa(3, 1, 2, b"\0" * 32),
        Tlsa(3, 0, 0, b"no certificate"),
        Tlsa(2, 1, 0, b"no key"),
        Tlsa(4, 1, 1, b"\0" * 32),
    ],
)
def test_what_is_unknown_or_malformed_does_not_count(bad: Tlsa) -> None:
    assert usable([bad]) == ()


def test_of_several_digests_of_one_kind_the_strongest_counts() -> None:
    weak, strong, other = record(3, 1, 1, OTHER), record(3, 1, 2, LEAF), record(2, 0, 1, ROOT)
    assert set(usable([weak, strong, other])) == {strong, other}


def test_equal_sets_are_equal_in_whatever_order_the_dns_has_them() -> None:
    first, second = record(3, 1, 1, OTHER), record(3, 1, 1, LEAF)
    assert usable([first, second]) == usable([second, first])


def published(
    zone: dict[tuple[str, str], list[str]],
    authenticated: set[str],
    *,
    canonical: str = HOST,
    broken: dict[str, int | None] | None = None,
) -> TlsaSet:
    async def main() -> TlsaSet:
        async with DnsServer(zone, authenticated=authenticated, broken=broken or {}).listening() as server:
            resolver = DnsResolver([server.address], timeout_seconds=server.patience_seconds)
            exchanger = Exchanger(HOST, 10, ("192.0.2.1",), canonical, is_authenticated=True)
            return await published_by(exchanger, 25, resolver)

    return run(main())


NAME = f"_25._tcp.{HOST}"
ALIAS_NAME = "_25._tcp.real.test"
TEXT = "3 1 1 " + "ab" * 32


def test_records_count_only_where_dnssec_vouches_for_them() -> None:
    assert published({(NAME, "TLSA"): [TEXT]}, {NAME}).usable == (Tlsa(3, 1, 1, b"\xab" * 32),)
    assert not published({(NAME, "TLSA"): [TEXT]}, set()).is_published
    assert not published({}, {NAME}).is_published


def test_records_that_do_not_count_are_published_all_the_same() -> None:
    found = published({(NAME, "TLSA"): ["1 1 1 " + "ab" * 32]}, {NAME})
    assert found.is_published and found.usable == ()


def test_of_an_alias_the_name_at_its_end_comes_first() -> None:
    both = {(NAME, "TLSA"): [TEXT], (ALIAS_NAME, "TLSA"): [TEXT]}
    assert published(both, {NAME, ALIAS_NAME}, canonical="real.test").base == "real.test"
    assert published({(NAME, "TLSA"): [TEXT]}, {NAME}, canonical="real.test").base == HOST


@pytest.mark.parametrize("rcode", [2, None])
def test_a_lookup_that_fails_is_not_an_absence(rcode: int | None) -> None:
    with pytest.raises(LookupFailed):
        published({}, set(), broken={NAME: rcode})
