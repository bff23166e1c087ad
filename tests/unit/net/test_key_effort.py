"""A key that would take minutes to open is refused before it is tried."""

import base64

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    pkcs12,
)

from staffetta.net.key_effort import OCTETS_MAX, ROUNDS_MAX, TooMuchWork, check_effort
from staffetta.operations.errors import BadValue
from staffetta.operations.given_certificates import given_identity
from tests.certificates import make

MADE = make("client.test")


def pfx(rounds: int, algorithm: pkcs12.PBES = pkcs12.PBES.PBESv2SHA256AndAES256CBC) -> bytes:
    way = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(rounds).key_cert_algorithm(algorithm)
    encryption = way.hmac_hash(hashes.SHA256()).build(b"x")
    return pkcs12.serialize_key_and_certificates(b"a", MADE.key, MADE.certificate, [*MADE.chain], encryption)


@pytest.mark.parametrize("algorithm", list(pkcs12.PBES))
def test_what_tools_write_is_opened(algorithm: pkcs12.PBES) -> None:
    assert given_identity(base64.b64encode(pfx(2048, algorithm)).decode(), "x") is not None


def with_rounds(octets: bytes, rounds: int, instead_of: int) -> bytes:
    """The same file, which says that its password is hashed so many times."""
    written = bytes([2, 3]) + instead_of.to_bytes(3, "big")
    assert written in octets
    return octets.replace(written, bytes([2, 3]) + rounds.to_bytes(3, "big"))


def test_a_file_that_would_take_minutes_is_refused_at_once() -> None:
    octets = with_rounds(pfx(70_000), 0x7FFFFF, 70_000)
    with pytest.raises(BadValue, match=r"password is hashed \d+ times; export it again, with 2000000 at most"):
        given_identity(base64.b64encode(octets).decode(), "x")


def test_an_encrypted_key_in_pem_is_looked_at_too() -> None:
    way = PrivateFormat.PKCS8
    locked = MADE.key.private_bytes(Encoding.PEM, way, BestAvailableEncryption(b"x"))
    assert given_identity((MADE.certificate.public_bytes(Encoding.PEM) + locked).decode(), "x") is not None
    der = base64.b64decode(b"".join(locked.splitlines()[1:-1]))
    rounds = der.index(bytes([2, 2, 8, 0]))  # 2,048, behind the salt
    more = der[:rounds] + bytes([2, 4, 0x7F, 0xFF]) + der[rounds + 4 :]
    first, last = locked.splitlines()[0], locked.splitlines()[-1]
    spoiled = first + b"\n" + base64.encodebytes(more) + last
    with pytest.raises(BadValue, match=r"is hashed \d+ times"):
        given_identity((MADE.certificate.public_bytes(Encoding.PEM) + spoiled).decode(), "x")


HIDDEN = [
    "3080 24800401780000 02047fffffff 0000",  # a salt in pieces, and no lengths
    "2480 0404 30090401 0405 7802047fff 0402 ffff 0000",  # within a string that is cut through the number
    "30800000" * 30 + "3009 040178 02047fffffff",  # behind many that end nowhere
    "300a 040178 020500ffffffff",
]


@pytest.mark.parametrize("octets", HIDDEN)
def test_a_count_is_found_however_it_is_written(octets: str) -> None:
    with pytest.raises(TooMuchWork, match="hashed"):
        check_effort(bytes.fromhex(octets))


@pytest.mark.parametrize("octets", [b"\x30\x80" * 20_000, b"\x24\x80" * 20_000, b"\x04\x82\xff\xff" * 16_000])
def test_looking_is_little_work_itself(octets: bytes) -> None:
    with pytest.raises(TooMuchWork, match="too deeply"):
        check_effort(octets)


def test_a_giant_is_not_looked_at() -> None:
    with pytest.raises(TooMuchWork, match="octets"):
        check_effort(b"\x30" * (OCTETS_MAX + 1))


@pytest.mark.parametrize("octets", [b"", b"\x30", b"\x02\x84", b"no BER at all", b"\x3f\x81\x02\x01"])
def test_what_is_no_ber_passes(octets: bytes) -> None:
    check_effort(octets)


def test_serial_numbers_and_versions_are_no_counts() -> None:
    big = (ROUNDS_MAX + 1).to_bytes(4, "big")
    check_effort(b"\x30\x0d\xa0\x03\x02\x01\x02\x02\x04" + big + b"\x05\x00")
    check_effort(b"\x30\x06\x02\x04" + big)
