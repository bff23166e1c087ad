"""Lists of addresses in which the first entry that holds decides, as lists of ours, where every entry holds."""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from typing import TypeVar

from staffetta.settings.addresses import Network, networks

Kind = TypeVar("Kind", IPv4Network, IPv6Network)


def first_wins(entries: Iterable[tuple[Network, bool]]) -> list[str]:
    """Return the addresses that are let in: each entry is a network and whether it lets in."""
    let_in: list[Network] = []
    decided: list[Network] = []
    for network, lets_in in entries:
        if lets_in:
            let_in += _without(network, decided)
        decided.append(network)
    four = collapse_addresses(each for each in let_in if isinstance(each, IPv4Network))
    six = collapse_addresses(each for each in let_in if isinstance(each, IPv6Network))
    return [*map(shown, four), *map(shown, six)]


def covers_everybody(texts: Iterable[str]) -> bool:
    """Whether the entries together are every IPv4 or every IPv6 address."""
    named = [network for text in texts for network in networks(text)]
    four = collapse_addresses(each for each in named if isinstance(each, IPv4Network))
    six = collapse_addresses(each for each in named if isinstance(each, IPv6Network))
    return any(each.prefixlen == 0 for each in four) or any(each.prefixlen == 0 for each in six)


def shown(network: Network) -> str:
    """Return a network as an administrator writes it: a single address without its length."""
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def _without(network: Network, taken: list[Network]) -> Iterator[Network]:
    rest: list[Network] = [network]
    for each in taken:
        rest = [piece for whole in rest for piece in _minus(whole, each)]
    yield from rest


def _minus(whole: Network, part: Network) -> Iterator[Network]:
    if isinstance(whole, IPv4Network) and isinstance(part, IPv4Network):  # noqa: SIM114 - a type each
        yield from _rest(whole, part)
    elif isinstance(whole, IPv6Network) and isinstance(part, IPv6Network):
        yield from _rest(whole, part)
    else:
        yield whole


def _rest(whole: Kind, part: Kind) -> Iterator[Kind]:
    if not whole.overlaps(part):
        yield whole
    elif part.prefixlen > whole.prefixlen:
        yield from whole.address_exclude(part)
