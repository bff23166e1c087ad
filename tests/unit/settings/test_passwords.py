import pytest

from staffetta.settings.passwords import (
    LENGTH_MAX,
    LENGTH_MIN,
    Alphabet,
    hash_password,
    is_hash,
    new_password,
    strength_bits,
    verify,
)


def test_hash_is_of_its_password_alone() -> None:
    hashed = hash_password("right horse")
    assert is_hash(hashed)
    assert verify(hashed, b"right horse")
    assert not verify(hashed, b"right horse ")


@pytest.mark.parametrize("text", ["", "right horse", "$argon2id$", "$2b$12$abcdefghijk", "$argon2i$v=19$m=8"])
def test_what_is_no_argon2id_hash_is_nobody_s_password(text: str) -> None:
    assert not is_hash(text)
    assert not verify(text, text.encode())


@pytest.mark.parametrize("alphabet", Alphabet)
@pytest.mark.parametrize("length", [LENGTH_MIN, 20, LENGTH_MAX])
def test_made_password_has_its_length_and_can_be_typed(alphabet: Alphabet, length: int) -> None:
    password = new_password(length, alphabet)
    assert len(password) == length and password.isascii() and " " not in password
    assert password != new_password(length, alphabet)
    assert {Alphabet.DIGITS: password.isdigit(), Alphabet.LOWER: password == password.lower()}.get(alphabet, True)


@pytest.mark.parametrize("length", [0, LENGTH_MIN - 1, LENGTH_MAX + 1])
def test_length_out_of_bounds_is_refused_with_the_bounds(length: int) -> None:
    with pytest.raises(ValueError, match=f"{LENGTH_MIN} to {LENGTH_MAX}"):
        new_password(length)


def test_strength_is_counted_in_bits() -> None:
    assert strength_bits(6, Alphabet.DIGITS) == 19
    assert strength_bits(20, Alphabet.MIXED) > 100
