"""What checks have in common: what they yield, and the checks of single values."""

import difflib
import re
from collections.abc import Collection, Iterable, Iterator

from staffetta.mail.address import AddressError, parse_domain
from staffetta.mail.sentence import sentence
from staffetta.settings.addresses import networks

_FINGERPRINT = re.compile(r"[0-9A-Fa-f]{64}|[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){31}")
_SHA_1 = re.compile(r"[0-9A-Fa-f]{40}|[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){19}")
_CLOSEST_AMONG_MAX = 1000  # names; looking for the closest among more takes seconds

Where = tuple[str | int, ...]
"""Such as ("listeners", 0, "address")."""
Found = Iterator[tuple[Where, str]]


def address_entry(where: Where, text: str) -> Found:
    """Check an entry of a list of IP addresses."""
    try:
        networks(text)
    except ValueError as error:
        yield (
            where,
            sentence(
                "{value!r}: {why}; write an address, a network such as 192.0.2.0/24, or a range a-b",
                value=text,
                why=str(error),
            ),
        )


def domain_name(where: Where, text: str) -> Found:
    """Check the name of a domain; in memory it is lower-case A-labels."""
    try:
        lower = parse_domain(text)
    except AddressError as error:
        yield where, sentence("{value!r}: {why}; write a name such as contoso.com", value=text, why=str(error))
    else:
        if lower != text:
            yield where, _as(text, lower)


def domain_pattern(where: Where, text: str, instead: str) -> Found:
    """Check `contoso.com` or `*.contoso.com`; instead: what to write."""
    domain = text.removeprefix("*.")
    if "*" in domain:
        yield (
            where,
            sentence("{value!r}: a wildcard stands alone in front; write {instead}", value=text, instead=instead),
        )
        return
    try:
        lower = parse_domain(domain)
    except AddressError as error:
        yield where, sentence("{value!r}: {why}; write {instead}", value=text, why=str(error), instead=instead)
    else:
        if lower != domain:
            yield where, _as(text, text.removesuffix(domain) + lower)


def _as(text: str, better: str) -> str:
    return sentence("{value!r}: write it as {better!r}", value=text, better=better)


def fingerprints(where: Where, texts: Iterable[str]) -> Found:
    """Check SHA-256 fingerprints of certificates."""
    for text in texts:
        if not _FINGERPRINT.fullmatch(text):
            what = "is a SHA-1 fingerprint" if _SHA_1.fullmatch(text) else "is no SHA-256 fingerprint"
            yield (
                where,
                (
                    f"{text!r} {what}; write the 64 digits that `openssl x509 -noout -fingerprint -sha256` prints, "
                    "with or without colons"
                ),
            )


def known_hint(wrong: str, names: Collection[str]) -> str:
    """Return a hint what to write instead of a wrong name."""
    if not names:
        return "none is declared"
    if len(names) <= _CLOSEST_AMONG_MAX and (close := difflib.get_close_matches(wrong, names, n=1)):
        return f"did you mean {close[0]!r}?"
    some = sorted(names)[:5]
    return f"known: {', '.join(some)}{', …' if len(names) > len(some) else ''}"
