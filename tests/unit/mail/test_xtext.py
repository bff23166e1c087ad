import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffetta.mail.xtext import (
    XtextError,
    decode_utf8_address,
    decode_xtext,
    encode_utf8_address,
    encode_xtext,
    is_xtext,
)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_decoding_gives_back_what_was_encoded(text: str) -> None:
    assert is_xtext(encode_xtext(text))
    assert text == decode_xtext(encode_xtext(text))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_an_internationalised_address_survives_its_escapes(text: str) -> None:
    assert encode_utf8_address(text).isascii()
    assert text == decode_utf8_address(encode_utf8_address(text))


def test_the_special_characters_are_escaped() -> None:
    assert encode_xtext("a+b=c d") == "a+2Bb+3Dc+20d"
    assert encode_utf8_address("+a=\\ü") == r"\x{2B}a\x{3D}\x{5C}\x{FC}"


@pytest.mark.parametrize("bad", ["a b", "a=b", "+2b", "+2", "+", "ü", "a\r\nb", "a\n"])
def test_what_is_not_xtext_is_refused(bad: str) -> None:
    with pytest.raises(XtextError):
        decode_xtext(bad)


def test_an_escape_that_names_no_character_stays() -> None:
    assert decode_utf8_address(r"\x{D800}") == r"\x{D800}"
