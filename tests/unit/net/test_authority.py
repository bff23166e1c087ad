"""What the private authority makes, read back by the library's own judges."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store

from staffetta.net.authority import Credential, issue, make_root, new_key, revocation_list, to_pfx

NOW = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


@pytest.fixture(scope="module")
def root() -> Credential:
    return make_root("Test CA", NOW)


@pytest.mark.parametrize("is_rsa", [False, True])
def test_an_issued_certificate_is_valid_for_a_client_and_for_a_server(root: Credential, is_rsa: bool) -> None:
    credential = issue(root, ["a.contoso.com", "*.fabrikam.com"], new_key(is_rsa=is_rsa), NOW, 398)
    policy = PolicyBuilder().store(Store([root.certificate])).time(NOW)
    assert policy.build_client_verifier().verify(credential.certificate, []).subjects is not None
    policy.build_server_verifier(x509.DNSName("x.fabrikam.com")).verify(credential.certificate, [])
    usage = credential.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usage) == {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH}
    assert isinstance(credential.key, rsa.RSAPrivateKey if is_rsa else ec.EllipticCurvePrivateKey)


def test_a_certificate_is_valid_for_the_days_that_were_asked_for(root: Credential) -> None:
    certificate = issue(root, ["a.test"], new_key(), NOW, 30).certificate
    assert certificate.not_valid_after_utc == NOW + 30 * DAY
    assert NOW - DAY < certificate.not_valid_before_utc < NOW


def test_a_name_too_long_for_the_subject_stands_in_the_alternative_names_alone(root: Credential) -> None:
    name = f"{'a' * 60}.{'b' * 60}.test"
    certificate = issue(root, [name], new_key(), NOW, 30).certificate
    assert list(certificate.subject) == []
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.critical
    assert names.value.get_values_for_type(x509.DNSName) == [name]
    PolicyBuilder().store(Store([root.certificate])).time(NOW).build_server_verifier(x509.DNSName(name)).verify(
        certificate, []
    )


def test_a_root_may_sign_leaves_alone_and_no_name_is_too_long_for_it() -> None:
    certificate = make_root("x" * 300, NOW).certificate
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)
    assert len(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value) == 64


def test_a_revocation_list_names_what_was_revoked_and_never_becomes_stale(root: Credential) -> None:
    revoked = revocation_list(root, [(7, NOW), (2**158, NOW + DAY)], NOW, 3)
    found = x509.load_pem_x509_crl(revoked)
    assert found.is_signature_valid(root.certificate.public_key())  # type: ignore[arg-type]
    assert {entry.serial_number for entry in found} == {7, 2**158}
    assert found.next_update_utc == root.certificate.not_valid_after_utc
    assert found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 3


@pytest.mark.parametrize("is_legacy", [False, True])
@pytest.mark.parametrize("is_rsa", [False, True])
def test_a_pfx_holds_certificate_key_and_root_under_its_password(
    root: Credential, is_legacy: bool, is_rsa: bool
) -> None:
    credential = issue(root, ["a.test"], new_key(is_rsa=is_rsa), NOW, 30)
    octets = to_pfx(credential, root.certificate, "a.test", "pässword", is_legacy=is_legacy)
    read = pkcs12.load_pkcs12(octets, "pässword".encode())
    assert read.cert is not None and read.cert.certificate == credential.certificate
    assert read.cert.friendly_name == b"a.test"
    assert read.key is not None
    assert read.key.public_key() == credential.key.public_key()
    assert [extra.certificate for extra in read.additional_certs] == [root.certificate]
    with pytest.raises(ValueError):
        pkcs12.load_pkcs12(octets, b"another")


def test_a_key_that_belongs_to_another_certificate_is_refused(root: Credential) -> None:
    other = issue(root, ["b.test"], new_key(), NOW, 30)
    assert Credential.load(root.certificate_pem, root.key_pem).certificate == root.certificate
    with pytest.raises(ValueError, match="another certificate's"):
        Credential.load(root.certificate_pem, other.key_pem)
