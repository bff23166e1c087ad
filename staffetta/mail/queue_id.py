"""Queue ids and session ids: an integer that grows with time, and its text (base 32, 13 characters, safe anywhere)."""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
TEXT_LENGTH = 13
EPOCH_UNIX_SECONDS = 1_577_836_800  # 2020-01-01; 55 bits of microseconds from here last beyond the year 3000


def make_number(unix_microseconds: int, partition: int, previous: int) -> int:
    """Return a number above `previous` that tells its time and its partition (0 to 255); below 2**63."""
    elapsed = unix_microseconds - EPOCH_UNIX_SECONDS * 1_000_000
    return max(elapsed, (previous >> 8) + 1) << 8 | partition


def made_at(number: int) -> float:
    """Return when a number of make_number was made, seconds since 1970."""
    return (number >> 8) / 1_000_000 + EPOCH_UNIX_SECONDS


def to_text(number: int) -> str:
    """Print a number of make_number."""
    # Six pairs and one: half the steps of a loop over characters, and this is said three times per message.
    pairs = _PAIRS
    return (
        pairs[number >> 55 & 1023]
        + pairs[number >> 45 & 1023]
        + pairs[number >> 35 & 1023]
        + pairs[number >> 25 & 1023]
        + pairs[number >> 15 & 1023]
        + pairs[number >> 5 & 1023]
        + _ALPHABET[number & 31]
    )


def from_text(text: str) -> int:
    """Parse what to_text printed, in either case. Raises ValueError."""
    if len(text) != TEXT_LENGTH:
        raise ValueError(f"a queue id has {TEXT_LENGTH} characters: {text!r}")
    number = 0
    for character in text.upper():
        if character not in _VALUES:
            raise ValueError(f"a queue id is made of {_ALPHABET}: {text!r}")
        number = number << 5 | _VALUES[character]
    if number >> 63:
        raise ValueError(f"a queue id is below 2**63: {text!r}")  # 13 characters hold 65 bits; the spool's integers 63
    return number
