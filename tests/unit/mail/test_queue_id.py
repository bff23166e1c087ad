import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffetta.mail.queue_id import EPOCH_UNIX_SECONDS, TEXT_LENGTH, from_text, made_at, make_number, to_text

NOW = 1_800_000_000_000_000  # microseconds


@given(st.integers(0, 2**63 - 1))
def test_text_gives_back_the_number(number: int) -> None:
    assert len(to_text(number)) == TEXT_LENGTH
    assert from_text(to_text(number)) == number
    assert from_text(to_text(number).lower()) == number


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_texts_sort_as_numbers_do(one: int, other: int) -> None:
    assert (to_text(one) < to_text(other)) == (one < other)


def test_number_tells_time_and_partition() -> None:
    number = make_number(NOW, 7, 0)
    assert number & 255 == 7
    assert made_at(number) == pytest.approx(NOW / 1e6)


@pytest.mark.parametrize("microseconds", [NOW, NOW - 60_000_000, EPOCH_UNIX_SECONDS * 1_000_000])
def test_number_grows_though_the_clock_stands_or_goes_back(microseconds: int) -> None:
    first = make_number(NOW, 3, 0)
    second = make_number(microseconds, 3, first)
    assert second > first and second & 255 == 3


@pytest.mark.parametrize("text", ["", "0", "0" * 12, "0" * 14, "U" * 13, "O" * 13, "0" * 12 + " ", "Z" * 13, "-" * 13])
def test_what_is_no_queue_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_text(text)
