"""Chains that were made to be taken for others, and octets that were made to break who reads them."""

import datetime
import random
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from staffetta.policy.certificate import problem_of_pinned, problem_under, read
from staffetta.policy.chain import SENT_MAX
from staffetta.policy.decision import PeerCertificate
from staffetta.settings.trust import Authority
from tests.certificates import CODE_SIGNING, NOW, Made, authority, make, revocation_list

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

AT = NOW.timestamp()
ROOT = authority("Contoso Root")
INTERMEDIATE = authority("Contoso Issuing", ROOT, path_length=0)
CONTOSO = Authority("Contoso", (ROOT.certificate,))
NAME = "mail.contoso.com"
FRANKENCERTS = 3000


def presented(made: Made, *sent: Made) -> PeerCertificate:
    return PeerCertificate(made.der, tuple(other.der for other in sent))


def listed(*lists: bytes) -> Authority:
    return Authority("Contoso", (ROOT.certificate,), tuple(x509.load_pem_x509_crl(each) for each in lists))


def problem(made: Made, *sent: Made, trusted: Authority = CONTOSO) -> str:
    """What is wrong with a client that presents this; an empty text: nothing."""
    return problem_under(presented(made, *sent), trusted, AT) or ""


def leaf(issuer: Made, **how: object) -> Made:
    return make(NAME, issuer=issuer, **how)  # type: ignore[arg-type]


def test_cve_2002_0862_a_leaf_issues_nothing() -> None:
    """Whoever had a certificate could issue others, where nobody looked at basicConstraints."""
    holder = make("evil.contoso.com", issuer=INTERMEDIATE)
    assert "no certificate authority" in problem(leaf(holder), holder, INTERMEDIATE)


def test_the_length_of_a_path_is_kept() -> None:
    below = authority("Contoso Below", INTERMEDIATE)
    assert "path length" in problem(leaf(below), below, INTERMEDIATE)


def test_cve_2020_0601_a_root_is_known_by_its_key_and_not_by_its_name() -> None:
    namesake = authority("Contoso Root")
    assert problem(leaf(namesake))
    assert problem(leaf(namesake), namesake)
    assert problem(leaf(namesake), ROOT)
    impostor = authority("Contoso Issuing", namesake)
    assert problem(leaf(impostor), impostor, ROOT)


def test_namesakes_that_are_sent_too_hide_nobody() -> None:
    namesakes = [authority("Contoso Issuing", ROOT) for _ in range(SENT_MAX - 1)]
    made = leaf(INTERMEDIATE)
    assert problem(made, *namesakes, INTERMEDIATE) == ""
    assert problem(made, INTERMEDIATE, *namesakes) == ""
    assert "was not sent" in problem(made, *namesakes)


def test_an_intermediate_for_something_else_issues_no_clients() -> None:
    """A technically constrained authority: its extended key usage holds for all below it."""
    signing = make(common_name="Contoso Signing", issuer=ROOT, days=(-1, 30))
    builder = (
        x509.CertificateBuilder()
        .subject_name(signing.certificate.subject)
        .issuer_name(ROOT.certificate.subject)
        .public_key(signing.key.public_key())
        .serial_number(5)
        .not_valid_before(NOW - datetime.timedelta(days=1))
        .not_valid_after(NOW + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([CODE_SIGNING]), critical=False)
    )
    constrained = Made(builder.sign(ROOT.key, ROOT.certificate.signature_hash_algorithm), signing.key)
    assert "codeSigning" in problem(leaf(constrained), constrained)


def constrained_authority(permitted: str) -> Made:
    """An intermediate that may issue names below one domain alone (RFC 5280 §4.2.1.10)."""
    named = make(common_name="Contoso Constrained")
    builder = (
        x509.CertificateBuilder()
        .subject_name(named.certificate.subject)
        .issuer_name(ROOT.certificate.subject)
        .public_key(named.key.public_key())
        .serial_number(6)
        .not_valid_before(NOW - datetime.timedelta(days=1))
        .not_valid_after(NOW + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.NameConstraints([x509.DNSName(permitted)], None), critical=True)
    )
    return Made(builder.sign(ROOT.key, ROOT.certificate.signature_hash_algorithm), named.key)


def test_name_constraints_hold_for_names_and_for_the_common_name_alone() -> None:
    elsewhere, here = constrained_authority("fabrikam.com"), constrained_authority("contoso.com")
    assert problem(leaf(here), here) == ""
    assert "subtree" in problem(leaf(elsewhere), elsewhere)
    assert "subtree" in problem(make(common_name=NAME, alternatives=[], issuer=elsewhere), elsewhere)


def test_an_intermediate_with_a_weak_key_vouches_for_nobody() -> None:
    weak = authority("Contoso Weak", ROOT, key=rsa.generate_private_key(public_exponent=65537, key_size=1024))
    assert "1024 bits" in problem(leaf(weak), weak)


def test_more_certificates_than_an_honest_client_sends_are_not_looked_at() -> None:
    chain = [ROOT]
    for number in range(60):
        chain.append(authority(f"Authority {number}", chain[-1]))
    assert problem(leaf(chain[-1]), *chain[:0:-1]) == f"60 certificates were sent with it, more than {SENT_MAX}"


def test_a_revoked_intermediate_vouches_for_nobody() -> None:
    trusted = listed(revocation_list(ROOT, INTERMEDIATE), revocation_list(INTERMEDIATE))
    assert problem(leaf(INTERMEDIATE), INTERMEDIATE, trusted=trusted) == "its issuer CN=Contoso Issuing is revoked"


def test_a_revocation_list_of_a_namesake_takes_nothing_back_and_stands_for_none() -> None:
    made = leaf(ROOT)
    forged = listed(revocation_list(authority("Contoso Root"), made))
    assert problem(made, trusted=forged) not in ("", "it is revoked")
    assert problem(made, trusted=listed(revocation_list(ROOT, make("other.test", issuer=ROOT)))) == ""


def test_a_revocation_list_that_ran_out_lets_nobody_in() -> None:
    assert "no revocation list in force" in problem(leaf(ROOT), trusted=listed(revocation_list(ROOT, days=(-9, -1))))


def frankencerts() -> Iterator[PeerCertificate]:
    """Certificates with some octets changed, taken out or put in: of the leaf, of its issuer, or of both."""
    made, random_numbers = leaf(INTERMEDIATE), random.Random(2014)
    for number in range(FRANKENCERTS):
        both = [bytearray(made.der), bytearray(INTERMEDIATE.der)]
        for octets in both if number % 3 == 2 else [both[number % 3]]:
            for _ in range(random_numbers.choice((1, 1, 1, 2, 3))):
                place = random_numbers.randrange(len(octets))
                kind = random_numbers.randrange(4)
                if kind < 2:
                    octets[place] = random_numbers.randrange(256) if kind else octets[place] ^ 1 << place % 8
                elif kind == 2:
                    del octets[place]
                else:
                    octets.insert(place, random_numbers.randrange(256))
        if both != [made.der, INTERMEDIATE.der]:
            yield PeerCertificate(bytes(both[0]), (bytes(both[1]),))


def test_frankencerts_are_refused_in_words() -> None:
    """Brubaker et al., "Using Frankencerts for Automated Adversarial Testing", 2014: readers differ, and fall over."""
    trusted = listed(revocation_list(ROOT), revocation_list(INTERMEDIATE))
    genuine = leaf(INTERMEDIATE)
    assert problem(genuine, INTERMEDIATE, trusted=trusted) == ""
    for odd in frankencerts():
        read(odd)
        problem_of_pinned(odd, AT)
        assert problem_under(odd, trusted, AT), odd.leaf_der.hex()


@pytest.mark.parametrize("is_leaf", [True, False])
def test_a_version_that_does_not_exist_is_refused_in_words(is_leaf: bool) -> None:
    made = leaf(INTERMEDIATE)

    def odd(octets: bytes) -> bytes:
        return octets.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x03", 1)

    sent = (
        PeerCertificate(odd(made.der), (INTERMEDIATE.der,))
        if is_leaf
        else PeerCertificate(made.der, (odd(INTERMEDIATE.der),))
    )
    assert "cannot be read" in (problem_under(sent, CONTOSO, AT) or "")


def test_a_name_in_a_type_that_does_not_fit_is_refused_in_words() -> None:
    """A common name as BIT STRING: the reader raises TypeError, which is ours to expect."""
    made = make(common_name="\0ail.contoso.com")
    octets = made.der.replace(b"\x0c\x10\x00ail", b"\x03\x10\x00ail")
    assert octets != made.der
    assert "cannot be read" in (problem_under(PeerCertificate(octets), CONTOSO, AT) or "")
    beside = PeerCertificate(leaf(INTERMEDIATE).der, (octets, INTERMEDIATE.der))
    assert problem_under(beside, CONTOSO, AT) is None  # nobody has to look at it


@pytest.mark.parametrize("octets", [b"", b"\x30", b"\x30\x80" * 5000, bytes(100_000), b"\x30\x84\xff\xff\xff\xff"])
def test_what_is_no_certificate_is_refused_in_words(octets: bytes) -> None:
    assert "cannot be read" in (problem_under(PeerCertificate(octets), CONTOSO, AT) or "")
    assert "cannot be read" in (problem_under(PeerCertificate(leaf(ROOT).der, (octets,)), CONTOSO, AT) or "")
