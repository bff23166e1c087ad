"""What checks have in common: what they yield, and the checks of single values."""

from collections.abc import Iterator

from staffetta.mail.address import AddressError, parse_domain
from staffetta.settings.addresses import networks

Where = tuple[str | int, ...]
"""Such as ("listeners", 0, "address")."""
Found = Iterator[tuple[Where, str]]


def address_entry(where: Where, text: str) -> Found:
    """Check an entry of a list of IP addresses."""
    try:
        networks(text)
    except ValueError as error:
        yield where, f"{text!r}: {error}; write an address, a network such as 192.0.2.0/24, or a range a-b"


def domain_name(where: Where, text: str) -> Found:
    """Check the name of a domain; in memory it is lower-case A-labels."""
    try:
        lower = parse_domain(text)
    except AddressError as error:
        yield where, f"{text!r}: {error}; write a name such as contoso.com"
    else:
        if lower != text:
            yield where, f"{text!r}: write it as {lower!r}"


def domain_pattern(where: Where, text: str, instead: str) -> Found:
    """Check `contoso.com` or `*.contoso.com`; instead: what to write."""
    domain = text.removeprefix("*.")
    if "*" in domain:
        yield where, f"{text!r}: a wildcard stands alone in front; write {instead}"
        return
    try:
        lower = parse_domain(domain)
    except AddressError as error:
        yield where, f"{text!r}: {error}; write {instead}"
    else:
        if lower != domain:
            yield where, f"{text!r}: write it as {text.removesuffix(domain) + lower!r}"
