"""Mail exchangers: from a domain to the hosts that take its mail, in the order to try them (RFC 5321 §5.1).

Rule 1: by preference, and at random among equals, so that equals share the load.
Rule 2: a domain without MX is its own exchanger; a null MX takes no mail (RFC 7505 §4.1).
Rule 3: where we are an exchanger ourselves, by name or by address, only better ones are tried, or mail would circle.
Rule 4: addresses that are not public are not connected to, unless the route allows them: strangers write the DNS.
Rule 5: no such name is the sender's mistake and final; nobody could say is the network's, and is tried again.
Rule 6: an exchanger may be an alias, although RFC 5321 §5.1 forbids it: many are.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from staffetta.net.own_addresses import is_own_address, problem_of_address
from staffetta.net.resolver import Answer, LookupFailed, Mx, Resolver

HOSTS_MAX = 8  # of a domain; the largest have five, and each that is dead takes a connect timeout
ADDRESSES_MAX = 4  # of a host, both families together; RFC 5321 §5.1 asks for two


@dataclass(frozen=True, slots=True)
class Exchanger:
    """A host that takes mail for the domain.

    addresses: to be tried in this order, the families in turn. canonical: its name at the end of its aliases.
    is_authenticated: DNSSEC vouches for the addresses.
    """

    host: str
    preference: int
    addresses: tuple[str, ...]
    canonical: str
    is_authenticated: bool = False


@dataclass(frozen=True, slots=True)
class Exchangers:
    """hosts: at least one, in the order to try them. is_authenticated: DNSSEC vouches for the list."""

    domain: str
    hosts: tuple[Exchanger, ...]
    is_authenticated: bool = False


class NoExchanger(Exception):
    """There is no host to talk to. status: class 4 where it may be different later, class 5 where it will not."""

    def __init__(self, status: str, diagnostic: str) -> None:
        super().__init__(diagnostic)
        self.status = status
        self.diagnostic = diagnostic


@dataclass(frozen=True, slots=True)
class _Found:
    """What the DNS says of one host. trouble: why it is of no use, None where it has addresses."""

    exchanger: Exchanger
    is_us: bool = False
    trouble: NoExchanger | None = None


@dataclass(frozen=True, slots=True)
class MxFinder:
    """See the head of this file.

    own_names: ours, lower case. is_ours: of an address. draw: 0 to 1, for the choice among equals.
    """

    resolver: Resolver
    own_names: frozenset[str]
    is_ours: Callable[[str], bool] = is_own_address
    draw: Callable[[], float] = random.random

    async def find(self, domain: str, *, allows_private: bool = False) -> Exchangers:
        """Return where mail for a domain goes. domain: A-labels, or an address literal. Raises NoExchanger."""
        if domain.startswith("["):
            return self._of_literal(domain, allows_private)
        try:
            answer = await self.resolver.mx(domain)
        except LookupFailed as error:
            raise NoExchanger("4.4.3", str(error)) from None
        if not answer.exists:
            raise NoExchanger("5.1.2", f"there is no domain {domain}")
        named = self._in_order(_named(domain, answer))
        others = self._before_us(domain, named, {mx.host for mx in named if mx.host in self.own_names})
        found = await asyncio.gather(*(self._look_up(mx, allows_private) for mx in others[:HOSTS_MAX]))
        us = {each.exchanger.host for each in found if each.is_us}
        before_us = {mx.host for mx in self._before_us(domain, others, us)}
        candidates = [each for each in found if each.exchanger.host in before_us]
        usable = tuple(each.exchanger for each in candidates if each.trouble is None)
        if not usable:
            raise _worst([each.trouble for each in candidates if each.trouble is not None])
        return Exchangers(domain, usable, answer.is_authenticated)

    def _of_literal(self, domain: str, allows_private: bool) -> Exchangers:
        """RFC 5321 §4.1.3: the address is the host."""
        address = domain[1:-1].removeprefix("IPv6:")
        problem = None if allows_private else problem_of_address(address, self.is_ours)
        if problem is not None:
            raise NoExchanger("5.4.4", f"{address} is {problem}")
        return Exchangers(domain, (Exchanger(address, 0, (address,), address),))

    def _in_order(self, named: Sequence[Mx]) -> list[Mx]:
        best: dict[str, Mx] = {}
        for mx in sorted(named, key=lambda mx: (mx.preference, self.draw())):
            best.setdefault(mx.host, mx)
        return list(best.values())

    def _before_us(self, domain: str, named: Sequence[Mx], us: set[str]) -> list[Mx]:
        """Those that are better than the best of ours. Raises NoExchanger where there is none."""
        ours = min((mx.preference for mx in named if mx.host in us), default=None)
        if ours is None:
            return list(named)
        better = [mx for mx in named if mx.preference < ours]
        if not better:
            raise NoExchanger(
                "5.4.6",
                f"the mail exchanger of {domain} is {', '.join(sorted(us))}, which is this relay; "
                "no accepted domain or rule says where its mail belongs",
            )
        return better

    async def _look_up(self, mx: Mx, allows_private: bool) -> _Found:
        a, aaaa = await asyncio.gather(_or_trouble(self.resolver.a(mx.host)), _or_trouble(self.resolver.aaaa(mx.host)))
        answers = [answer for answer in (aaaa, a) if isinstance(answer, Answer)]
        exchanger = Exchanger(
            mx.host,
            mx.preference,
            tuple(self._in_turn([answer.records for answer in answers]))[:ADDRESSES_MAX],
            answers[0].canonical if answers else mx.host,
            # What vouches for one family does not for the other, and it is not known yet which one answers.
            is_authenticated=len(answers) == 2 and all(answer.is_authenticated for answer in answers),
        )
        if not exchanger.addresses:
            trouble = next((answer for answer in (a, aaaa) if isinstance(answer, LookupFailed)), None)
            if trouble is not None:
                return _Found(exchanger, trouble=NoExchanger("4.4.3", str(trouble)))
            return _Found(exchanger, trouble=NoExchanger("5.1.2", f"{mx.host} has no address"))
        return _Found(exchanger) if allows_private else self._judged(exchanger)

    def _judged(self, exchanger: Exchanger) -> _Found:
        problems = {address: problem_of_address(address, self.is_ours) for address in exchanger.addresses}
        public = tuple(address for address, problem in problems.items() if problem is None)
        is_us = "ours" in problems.values()
        if public:
            return _Found(
                Exchanger(
                    exchanger.host, exchanger.preference, public, exchanger.canonical, exchanger.is_authenticated
                ),
                is_us,
            )
        told = ", ".join(f"{address} ({problem})" for address, problem in problems.items())
        return _Found(
            exchanger,
            is_us,
            NoExchanger("5.4.4", f"{exchanger.host} has no public address, and the route allows no other: {told}"),
        )

    def _in_turn(self, families: Sequence[Sequence[str]]) -> list[str]:
        """One of each family in turn, so that where one is dead the other is tried soon (RFC 8305 §4)."""
        mixed = [sorted(family, key=lambda _: self.draw()) for family in families]
        longest = max(map(len, mixed), default=0)
        return [family[number] for number in range(longest) for family in mixed if number < len(family)]


def _named(domain: str, answer: Answer[Mx]) -> list[Mx]:
    """The exchangers that the DNS names; the domain itself where it names none."""
    if not answer.records:
        return [Mx(0, answer.canonical)]
    named = [mx for mx in answer.records if mx.host]
    if not named:
        raise NoExchanger("5.1.10", f"{domain} takes no mail: it says so by a null MX")
    return named


def _worst(troubles: Sequence[NoExchanger]) -> NoExchanger:
    """What may be different later comes first: a message is not given up for what is only probably final."""
    return next((trouble for trouble in troubles if trouble.status.startswith("4")), troubles[0])


async def _or_trouble(lookup: Awaitable[Answer[str]]) -> Answer[str] | LookupFailed:
    try:
        return await lookup
    except LookupFailed as error:
        return error
