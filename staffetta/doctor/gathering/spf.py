"""A domain's SPF record, read from the DNS with all that it includes (RFC 7208 §4)."""

import ipaddress
import re
from collections.abc import Sequence

from staffetta.doctor.spf import LOOKUPS_MAX, SpfRecord, Term
from staffetta.net.resolver import Resolver
from staffetta.settings.addresses import Network

_ASKED_MAX = 3 * LOOKUPS_MAX  # enough to tell by how much a record is too long
_MX_MAX = 10  # §4.6.4
_TERM = re.compile(r"([-+?~]?)([a-z0-9]+)(?::([^/]*))?(?:/(\d{1,2}))?(?://(\d{1,3}))?", re.IGNORECASE)
_ADDRESS = re.compile(r"([-+?~]?)ip[46]:(\S+)", re.IGNORECASE)
_MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=(.*)", re.IGNORECASE)


class SpfReader:
    """Reads records of any number of domains; each read is bounded. All raise LookupFailed."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def read(self, domain: str) -> SpfRecord:
        """Return the record; without text where there is none."""
        return await _Walk(self._resolver).record(domain, ())


class _Walk:
    """One record and what it includes."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._asked = 0

    async def record(self, domain: str, above: tuple[str, ...]) -> SpfRecord:
        texts = (await self._resolver.txt(domain)).records
        found = [text for text in texts if re.match(r"v=spf1( |$)", text, re.IGNORECASE)]
        if not found:
            problem = "it has no SPF record, and is included" if above else None
            return SpfRecord(domain, problem=problem)
        if len(found) > 1:
            return SpfRecord(domain, found[0], problem=f"it has {len(found)} SPF records, and may have one")
        try:
            return await self._parsed(domain, found[0], (*above, domain))
        except ValueError as error:
            return SpfRecord(domain, found[0], problem=str(error))

    async def _parsed(self, domain: str, text: str, path: tuple[str, ...]) -> SpfRecord:
        """Raises ValueError where it is no record."""
        terms: list[Term] = []
        redirect = None
        for word in text.split()[1:]:
            if modifier := _MODIFIER.fullmatch(word):
                if modifier[1].lower() == "redirect":
                    redirect = await self._included(modifier[2].lower(), path)
            else:
                terms.append(await self._term(word, domain, path))
        has_all = any(term.is_all for term in terms)  # §6.1: then a redirect is not looked at
        return SpfRecord(domain, text, tuple(terms), None if has_all else redirect)

    async def _term(self, word: str, domain: str, path: tuple[str, ...]) -> Term:
        if given := _ADDRESS.fullmatch(word):
            return Term(word, given[1] or "+", (_network(word, given[2]),))
        given = _TERM.fullmatch(word)
        if given is None:
            raise ValueError(f"{word!r} is no term of an SPF record")
        qualifier, name, target = given[1] or "+", given[2].lower(), (given[3] or domain).lower()
        if name == "all":
            return Term(word, qualifier, is_all=True)
        if name in ("exists", "ptr") or (name in ("a", "mx", "include") and "%" in target):
            return Term(word, qualifier, is_unknown=True, is_lookup=True)
        if name == "include":
            return Term(word, qualifier, within=await self._included(target, path), is_lookup=True)
        if name not in ("a", "mx"):
            raise ValueError(f"{word!r} is no term of an SPF record")
        addresses = await (self._addresses(target) if name == "a" else self._of_exchangers(target))
        prefixes = {4: int(given[4] or 32), 6: int(given[5] or 128)}
        networks = tuple(
            ipaddress.ip_network((each, prefixes[ipaddress.ip_address(each).version]), strict=False)
            for each in addresses
        )
        return Term(word, qualifier, networks, is_lookup=True, is_void=not addresses)

    async def _included(self, target: str, path: tuple[str, ...]) -> SpfRecord:
        if "%" in target or self._asked >= _ASKED_MAX:
            return SpfRecord(target, terms=(Term(target, is_unknown=True),))
        if target in path:
            return SpfRecord(target, problem="it includes itself")
        self._asked += 1
        return await self.record(target, path)

    async def _addresses(self, host: str) -> Sequence[str]:
        a, aaaa = await self._resolver.a(host), await self._resolver.aaaa(host)
        return (*a.records, *aaaa.records)

    async def _of_exchangers(self, domain: str) -> Sequence[str]:
        found = await self._resolver.mx(domain)
        return [address for mx in found.records[:_MX_MAX] for address in await self._addresses(mx.host)]


def _network(word: str, text: str) -> Network:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{word!r} names no address or network") from None
    if f"ip{network.version}:" not in word.lower():
        raise ValueError(f"{word!r} is of the other kind of address")
    return network
