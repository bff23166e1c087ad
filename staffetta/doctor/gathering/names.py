"""What the DNS says: of our resolver, of the hosts that mail goes to, of our own addresses, and of accepted domains."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from staffetta.delivery.mtasts import StsPolicy, read_record
from staffetta.delivery.sts_fetching import PolicyUnavailable, fetch_policy
from staffetta.doctor.facts import DomainFacts, HostFacts, OwnAddress, ResolverFacts
from staffetta.doctor.gathering.spf import SpfReader
from staffetta.doctor.roads import roads
from staffetta.net.https import https_client
from staffetta.net.resolver import Answer, DnsResolver, LookupFailed, Resolver
from staffetta.settings.model import Settings
from staffetta.settings.roads import Transport

Found = TypeVar("Found")
GetPolicy = Callable[[str, Resolver], Awaitable[StsPolicy]]
"""Gets a domain's MTA-STS policy; raises PolicyUnavailable."""

DOMAINS_MAX = 100
_TIMEOUT_SECONDS = 5.0
_AT_A_TIME = 10
SIGNED = "."  # the root is signed since 2010
FORGED = "dnssec-failed.org"  # kept with a wrong signature on purpose, so that resolvers can be tried
_ELSEWHERE = ("192.0.2.1", "2001:db8::1")  # nothing is sent there; the kernel only says from where it would be
_NAMES_MAX = 10


def resolver_of(settings: Settings) -> DnsResolver:
    """Return a resolver that tells the AD bit as it came: whether it is believed is a finding of its own."""
    timeout = min(settings.dns.timeout_seconds, _TIMEOUT_SECONDS)
    return DnsResolver(settings.dns.servers, timeout_seconds=timeout, trusts_authenticated_data=True)


async def resolver(asked: DnsResolver, settings: Settings, signed: str, forged: str) -> ResolverFacts:
    """Try our resolver. signed, forged: names that DNSSEC vouches for, and that it must not let pass."""
    try:
        answer = await asked.txt(signed)
    except LookupFailed:
        return await _unsigned(asked, settings)
    if not answer.is_authenticated:
        return ResolverFacts()
    try:
        is_forgery_passed = bool((await asked.a(forged)).records)
    except LookupFailed:
        is_forgery_passed = False
    as_delivery_asks = DnsResolver(
        settings.dns.servers,
        timeout_seconds=_TIMEOUT_SECONDS,
        trusts_authenticated_data=settings.dns.trust_authenticated_data,
    )
    try:
        is_believed = (await as_delivery_asks.txt(signed)).is_authenticated
    except LookupFailed as failure:
        return ResolverFacts(trouble=str(failure))
    return ResolverFacts(is_validating=not is_forgery_passed, is_believed=is_believed)


async def _unsigned(asked: DnsResolver, settings: Settings) -> ResolverFacts:
    """A resolver that knows the names of one network alone is no silent one."""
    try:
        await asked.a(settings.hostname)
    except LookupFailed as failure:
        return ResolverFacts(trouble=str(failure))
    return ResolverFacts()


async def hosts(asked: Resolver, settings: Settings) -> Mapping[str, HostFacts]:
    """Look up the next hops of every road that goes over TCP, and our own name."""
    names = {settings.hostname.lower()}
    for road in roads(settings):
        if road.transport in (Transport.SMTP, Transport.LMTP) and road.proxy is None:
            names |= {hop.host.lower() for hop in road.next_hops if not _is_address(hop.host) and "/" not in hop.host}
    found = await _all(host(asked, name) for name in sorted(names))
    return {each.name: each for each in found}


async def host(asked: Resolver, name: str) -> HostFacts:
    """Look up the addresses of a name; an address is its own."""
    if _is_address(name):
        return HostFacts(name, (name,))
    try:
        answers = (await asked.a(name), await asked.aaaa(name))
    except LookupFailed as failure:
        return HostFacts(name, trouble=str(failure))
    return HostFacts(name, tuple(address for answer in answers for address in answer.records))


async def own_addresses(asked: Resolver, settings: Settings, seen_as: str | None) -> tuple[OwnAddress, ...]:
    """Look up the names of the addresses that others see us come from. seen_as: by the probe host."""
    configured = settings.doctor.public_addresses
    bound = [address for road in roads(settings) for address in road.source_addresses if _is_public(address)]
    found = configured or bound or ([seen_as] if seen_as else []) or _outgoing()
    return tuple(await _all(_own(asked, address) for address in dict.fromkeys(found)))


async def domains(asked: Resolver, settings: Settings, get_policy: GetPolicy) -> tuple[DomainFacts, ...]:
    """Look up what each accepted domain says of its mail."""
    names = [domain.name for domain in settings.accepted_domains[:DOMAINS_MAX]]
    return tuple(await _all(_domain(asked, name, settings.doctor.dkim_selectors, get_policy) for name in names))


async def _domain(asked: Resolver, name: str, selectors: Sequence[str], get_policy: GetPolicy) -> DomainFacts:
    try:
        mta_sts = (await asked.txt(f"_mta-sts.{name}")).records
        exchangers = (await asked.mx(name)).records
        keys = [(each, (await asked.txt(f"{each}._domainkey.{name}")).records) for each in selectors]
        dmarc_at, dmarc = await _dmarc(asked, name)
        return DomainFacts(
            name=name,
            exchangers=tuple([await host(asked, mx.host) if mx.host else HostFacts("") for mx in exchangers]),
            spf=await SpfReader(asked).read(name),
            dmarc=dmarc,
            dmarc_at=dmarc_at,
            # A name that has no records and names below it exists (RFC 8020 §2).
            has_keys=(await asked.txt(f"_domainkey.{name}")).exists,
            keys=tuple(keys),
            mta_sts=mta_sts,
            **await _policy(asked, name, mta_sts, get_policy),
            tls_rpt=(await asked.txt(f"_smtp._tls.{name}")).records,
        )
    except LookupFailed as failure:
        return DomainFacts(name=name, trouble=str(failure))


async def _policy(asked: Resolver, name: str, records: tuple[str, ...], get_policy: GetPolicy) -> dict[str, Any]:
    """What is served, where a record promises it."""
    if read_record(records) is None:
        return {}
    try:
        return {"policy": await get_policy(name, asked)}
    except PolicyUnavailable as error:
        return {"policy_trouble": str(error)}


async def served_policy(domain: str, asked: Resolver) -> StsPolicy:
    """Get a domain's MTA-STS policy as others do. Raises PolicyUnavailable."""
    async with https_client(connect_seconds=_TIMEOUT_SECONDS, reply_seconds=_TIMEOUT_SECONDS) as client:
        return await fetch_policy(client, asked, domain)


async def _dmarc(asked: Resolver, name: str) -> tuple[str, tuple[str, ...]]:
    """The nearest domain, from this one upwards, that has a record, and what stands there."""
    above = name
    while "." in above:
        answer = await asked.txt(f"_dmarc.{above}")
        if found := _dmarc_records(answer):
            return above, found
        above = above.partition(".")[2]
    return name, ()


def _dmarc_records(answer: Answer[str]) -> tuple[str, ...]:
    return tuple(text for text in answer.records if text.lower().startswith("v=dmarc1"))


async def _own(asked: Resolver, address: str) -> OwnAddress:
    try:
        names = (await asked.ptr(address)).records[:_NAMES_MAX]
        confirmed = [name for name in names if address in (await host(asked, name)).addresses]
    except LookupFailed as failure:
        return OwnAddress(address, trouble=str(failure))
    return OwnAddress(address, names, tuple(confirmed))


def _outgoing() -> list[str]:
    """Public addresses of this machine that connections to elsewhere come from."""
    found = []
    for elsewhere in _ELSEWHERE:
        try:
            with socket.socket(socket.AF_INET6 if ":" in elsewhere else socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.connect((elsewhere, 9))
                found.append(str(probe.getsockname()[0]))
        except OSError:  # no way there: no such address
            continue
    return [address for address in found if _is_public(address)]


async def _all(work: Iterable[Coroutine[None, None, Found]]) -> list[Found]:
    """Do it, so much at a time that a resolver at home bears it."""
    turn = asyncio.Semaphore(_AT_A_TIME)

    async def one(each: Coroutine[None, None, Found]) -> Found:
        async with turn:
            return await each

    return await asyncio.gather(*map(one, work))


def _is_public(address: str) -> bool:
    return ipaddress.ip_address(address).is_global


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
