"""Signatures of a message computed again, with their keys from the DNS."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

from staffetta.analyzer.recomputing import Recomputation, key_names, recompute
from staffetta.analyzer.signing_key import KeyUnavailable
from staffetta.analyzer.source import NotWhole, source_of
from staffetta.net.resolver import DnsResolver, LookupFailed
from staffetta.settings.model import Dns

ALL_SECONDS_MAX = 20.0  # for all keys together; a message may name sixty
_QUESTIONS_AT_A_TIME = 10


def recomputed(octets: bytes, dns: Dns, *, offline: bool, seconds_max: float = ALL_SECONDS_MAX) -> Recomputation:
    """Return what the signatures of a message are worth. Nobody but the DNS is asked, and with `offline` nobody.

    seconds_max: what is not answered by then counts as not answered.
    """
    try:
        source = source_of(octets)
    except NotWhole as error:
        return Recomputation(left_out=str(error))
    names = key_names(source)
    if names and offline:
        return Recomputation(left_out="nobody was to be asked for their keys (offline)")
    answers = asyncio.run(_asked(names, dns, seconds_max)) if names else {}

    def lookup(name: str) -> Sequence[str]:
        answer = answers[name]
        if isinstance(answer, LookupFailed):
            raise KeyUnavailable(str(answer))
        return answer

    return recompute(source, lookup)


async def _asked(names: Sequence[str], dns: Dns, seconds_max: float) -> Mapping[str, Sequence[str] | LookupFailed]:
    resolver = DnsResolver(dns.servers, timeout_seconds=dns.timeout_seconds)
    turn = asyncio.Semaphore(_QUESTIONS_AT_A_TIME)
    answers: dict[str, Sequence[str] | LookupFailed] = {
        name: LookupFailed(f"the DNS does not answer in time: TXT of {name}") for name in names
    }

    async def ask(name: str) -> None:
        async with turn:
            try:
                answers[name] = (await resolver.txt(name)).records
            except LookupFailed as error:
                answers[name] = error

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds_max), asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(ask(name))
    return answers
