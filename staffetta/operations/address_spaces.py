"""Sender domains as Exchange writes them, `smtp:*.contoso.com;1`, and as the settings keep them, `*.contoso.com`."""

from collections.abc import Iterable

from staffetta.mail.address import AddressError, parse_domain
from staffetta.operations.errors import BadValue
from staffetta.operations.inputs import MultiValued

_PARAMETER = "SenderDomains"


def domains_in(given: MultiValued) -> MultiValued:
    """Return the patterns in the notation of the settings. Raises BadValue."""
    whole = None if given.whole is None else tuple(map(pattern, given.whole))
    return MultiValued(whole, tuple(map(pattern, given.add)), tuple(map(pattern, given.remove)))


def pattern(text: str) -> str:
    """Return `*`, a domain, or `*.` and a domain, of `[smtp:]PATTERN[;cost]`. Raises BadValue."""
    kind, colon, rest = text.strip().rpartition(":")
    domain, semicolon, cost = rest.partition(";")
    if colon and kind.lower() != "smtp":
        raise _refused(text, "The type of an address space can only be smtp here.")
    if semicolon and not (cost.isascii() and cost.isdigit() and 1 <= int(cost[:4]) <= 100):
        raise _refused(text, "A cost is 1 to 100.")
    if domain == "*":
        return domain
    below = domain.startswith("*.")
    try:
        parsed = parse_domain(domain.removeprefix("*."))
    except AddressError as error:
        raise _refused(text, f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
    return f"*.{parsed}" if below else parsed


def costs(given: Iterable[str]) -> set[str]:
    """Return the costs that are not 1."""
    return {text.partition(";")[2] for text in given} - {"", "1"}


def address_space(domain: str) -> str:
    """Return a pattern as Exchange shows it."""
    return f"smtp:{domain};1"


def _refused(text: str, why: str) -> BadValue:
    return BadValue(
        f"Cannot process argument transformation on parameter '{_PARAMETER}'. "
        f'Cannot convert value "{text}" to an address space. {why} Write *, contoso.com or *.contoso.com.',
        parameter=_PARAMETER,
    )
