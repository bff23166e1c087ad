"""Signatures of a message computed again, with their keys from the DNS."""

import asyncio
from collections.abc import Mapping, Sequence

from staffetta.analyzer.recomputing import Recomputation, key_names, recompute
from staffetta.analyzer.signing_key import KeyUnavailable
from staffetta.analyzer.source import NotWhole, source_of
from staffetta.net.resolver import DnsResolver, LookupFailed, Resolver
from staffetta.settings.model import Dns

_QUESTIONS_AT_A_TIME = 10


def recomputed(octets: bytes, dns: Dns, *, offline: bool) -> Recomputation:
    """Return what the signatures of a message are worth. Nobody but the DNS is asked, and with `offline` nobody."""
    try:
        source = source_of(octets)
    except NotWhole as error:
        return Recomputation(left_out=str(error))
    names = key_names(source)
    if names and offline:
        return Recomputation(left_out="nobody was to be asked for their keys (offline)")
    answers = asyncio.run(_asked(names, dns)) if names else {}

    def lookup(name: str) -> Sequence[str]:
        answer = answers[name]
        if isinstance(answer, LookupFailed):
            raise KeyUnavailable(str(answer))
        return answer

    return recompute(source, lookup)


async def _asked(names: Sequence[str], dns: Dns) -> Mapping[str, Sequence[str] | LookupFailed]:
    resolver = DnsResolver(dns.servers, timeout_seconds=dns.timeout_seconds)
    turn = asyncio.Semaphore(_QUESTIONS_AT_A_TIME)
    answers = await asyncio.gather(*(_texts(resolver, name, turn) for name in names))
    return dict(zip(names, answers, strict=True))


async def _texts(resolver: Resolver, name: str, turn: asyncio.Semaphore) -> Sequence[str] | LookupFailed:
    async with turn:
        try:
            return (await resolver.txt(name)).records
        except LookupFailed as error:
            return error
