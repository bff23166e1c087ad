"""When a certificate is ordered: at two thirds of its life, when it is not what is wanted, and when again."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from staffetta.enrolling.schedule import due_at, wait_after
from staffetta.net.tls import self_signed

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
DAY = 86_400.0


def certificate(*names: str, issuer: str = "An authority") -> bytes:
    """Valid for 90 days."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(BEGIN)
        .not_valid_after(BEGIN + timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize(
    ("suggested", "days"),
    [(None, 60), (BEGIN.timestamp() + 50 * DAY, 50), (BEGIN.timestamp(), 0), (BEGIN.timestamp() + 89 * DAY, 75)],
)
def test_it_is_due_at_two_thirds_or_when_the_authority_says_and_never_at_the_last_moment(
    suggested: float | None, days: float
) -> None:
    due = due_at(certificate("relay.test"), ("relay.test",), suggested)
    assert due == BEGIN.timestamp() + days * DAY


@pytest.mark.parametrize("wanted", [("other.test",), ("relay.test", "other.test"), ()])
def test_one_with_other_names_is_due_at_once(wanted: tuple[str, ...]) -> None:
    assert due_at(certificate("relay.test"), wanted) == 0.0


def test_one_of_our_own_making_is_due_at_once() -> None:
    pem, _ = self_signed("relay.test", BEGIN)
    assert due_at(pem, ("relay.test",)) == 0.0


def test_failures_wait_longer_each_time_up_to_half_a_day() -> None:
    assert [wait_after(failures, 1.0) for failures in (1, 2, 3, 4, 5, 6, 1000)] == pytest.approx(
        [300, 900, 2700, 8100, 24_300, 43_200, 43_200]
    )
    assert wait_after(1, 0.0) == pytest.approx(240)
