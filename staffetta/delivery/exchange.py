"""From a recipient's domain to the hops that may have its mail: exchangers, and what TLS must be with each.

Who may ask for TLS: the route; the domain, by DANE or MTA-STS; the message, by REQUIRETLS. The strictest counts:

0. A route with dane_required: DANE, or no mail, whatever else is said.
1. A route that names an authority, names or fingerprints of its own knows its exchangers: that is asked for.
2. DANE, where DNSSEC vouches for everything (dane.py).
3. MTA-STS in mode enforce: the exchanger is one that the policy names, and its certificate is public and its own.
4. The route's level; with REQUIRETLS, verified.

Rule 1: with MTA-STS the list is asked of DANE's hosts too: neither policy lifts the other (RFC 8461 §2).
Rule 2: a message that says `TLS-Required: No` goes without 2 and 3, but never below the route's level (RFC 8689 §5).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from staffetta.delivery import dane
from staffetta.delivery.mtasts import Mode, StsPolicy
from staffetta.delivery.mx import Exchanger, Exchangers, MxFinder
from staffetta.delivery.opening import Hop, hop_of
from staffetta.delivery.requiretls import TlsWish
from staffetta.delivery.sts_policies import StsPolicies, StsProblem
from staffetta.delivery.tlspolicy import TlsDemand, with_level
from staffetta.delivery.trouble import HopTrouble
from staffetta.mail.outcome import Stage
from staffetta.net.resolver import DnsResolver, LookupFailed, Resolver
from staffetta.settings.model import Dns, Settings
from staffetta.settings.objects import PUBLIC_TRUST
from staffetta.settings.roads import ANY_NAME, NextHop, Route, TlsLevel

SMTP_PORT = 25
STS_FOLDER = "mta-sts"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a domain's mail goes, and what its policy is.

    sts: the policy that is enforced, None where there is none. sts_in_testing: one that is only reported on.
    sts_problem: why there is none, although the domain announces one.
    """

    exchangers: Exchangers
    sts: StsPolicy | None = None
    sts_in_testing: StsPolicy | None = None
    sts_problem: StsProblem | None = None

    def is_vouched_for(self, exchanger: Exchanger) -> bool:
        """Whether nobody could have put this host on the list (RFC 8689 §4.2.1)."""
        return self.exchangers.is_authenticated or (self.sts is not None and self.sts.names(exchanger.host))


class Exchange:
    """See the head of this file. Keeps the cache of the DNS, and policies. Belongs to one event loop.

    make_resolver, make_policies: for tests. port: of exchangers.
    """

    def __init__(
        self,
        *,
        make_resolver: Callable[[Dns], Resolver] | None = None,
        make_policies: Callable[[Path, Resolver], StsPolicies] = StsPolicies,
        port: int = SMTP_PORT,
    ) -> None:
        self._make_resolver = make_resolver or _resolver_of
        self._make_policies = make_policies
        self._port = port
        self._made: tuple[Dns, Resolver] | None = None
        self._policies: StsPolicies | None = None

    async def find(self, domain: str, route: Route, settings: Settings) -> Destination:
        """Return where a domain's mail goes. Raises mx.NoExchanger."""
        resolver = self.resolver(settings)
        finder = MxFinder(resolver, frozenset({settings.hostname.lower()}))
        exchangers = await finder.find(domain, allows_private=route.allow_private_addresses)
        if not route.mta_sts or domain.startswith("["):
            return Destination(exchangers)
        policies = self._sts(settings, resolver)
        policy = await policies.of(domain, allows_private=route.allow_private_addresses)
        mode = policy.mode if policy is not None else Mode.NONE
        return Destination(
            exchangers,
            policy if mode is Mode.ENFORCE else None,
            policy if mode is Mode.TESTING else None,
            policies.problem_of(domain) if policy is None else None,
        )

    async def hop(
        self, destination: Destination, exchanger: Exchanger, route: Route, settings: Settings, wish: TlsWish
    ) -> Hop:
        """Return an exchanger as a hop. Raises HopTrouble where policy forbids it, or cannot be known."""
        hop = hop_of(route, NextHop(host=exchanger.host, port=self._port))
        if wish.is_required and not destination.is_vouched_for(exchanger):
            raise HopTrouble(
                "5.7.30",
                f"the message asks for REQUIRETLS, and neither DNSSEC nor MTA-STS vouches that {exchanger.host} takes "
                f"mail for {destination.exchangers.domain}",
                Stage.ROUTE,
            )
        demand = hop.tls
        if route.dane_required or not (wish.is_declined or _knows_its_exchangers(route)):
            demand = await self._published(destination, exchanger, route, settings, demand)
        return replace(hop, tls=wish.raised(demand))

    async def close(self) -> None:
        """Let go of connections."""
        if self._policies is not None:
            await self._policies.close()

    async def _published(
        self, destination: Destination, exchanger: Exchanger, route: Route, settings: Settings, demand: TlsDemand
    ) -> TlsDemand:
        """What the domain asks for, or the route, whichever is stricter."""
        sts, domain = destination.sts, destination.exchangers.domain
        if sts is not None and not sts.names(exchanger.host):
            raise HopTrouble(
                "4.4.8",
                f"the MTA-STS policy of {domain} does not name {exchanger.host}, but {', '.join(sts.mx)}",
                Stage.TLS,
            )
        found = dane.TlsaSet()
        if route.dane and destination.exchangers.is_authenticated and exchanger.is_authenticated:
            try:
                found = await dane.published_by(exchanger, self._port, self.resolver(settings))
            except LookupFailed as error:
                trouble = HopTrouble("4.4.3", f"{error}; without it {exchanger.host} is not used", Stage.TLS)
                trouble.result_type = "dnssec-invalid"
                raise trouble from None
        if route.dane_required and not found.usable:
            trouble = HopTrouble(
                "4.7.5",
                f"the route asks for DANE, and {exchanger.host} has no TLSA records that can be honoured",
                Stage.TLS,
            )
            trouble.result_type = "tlsa-invalid" if found.is_published else "dane-required"
            raise trouble
        if found.usable:
            names = tuple(dict.fromkeys((found.base, exchanger.host, domain)))
            return replace(with_level(demand, TlsLevel.VERIFIED, "dane"), names=names, tlsa=found.usable)
        if sts is not None:
            return replace(with_level(demand, TlsLevel.VERIFIED, "mta-sts"), names=(exchanger.host,))
        if found.is_published and not demand.is_must:
            return with_level(demand, TlsLevel.REQUIRED, "dane")
        return demand

    def resolver(self, settings: Settings) -> Resolver:
        """The resolver that these settings name, with what it has kept."""
        if self._made is None or self._made[0] != settings.dns:
            self._made = (settings.dns, self._make_resolver(settings.dns))
            self._policies = None
        return self._made[1]

    def _sts(self, settings: Settings, resolver: Resolver) -> StsPolicies:
        if self._policies is None:
            self._policies = self._make_policies(settings.data_dir / STS_FOLDER, resolver)
        return self._policies


def _resolver_of(dns: Dns) -> Resolver:
    return DnsResolver(
        dns.servers, timeout_seconds=dns.timeout_seconds, trusts_authenticated_data=dns.trust_authenticated_data
    )


def _knows_its_exchangers(route: Route) -> bool:
    names = set(route.tls_names) - {ANY_NAME}
    is_own = route.trusted_authority != PUBLIC_TRUST or bool(names or route.tls_fingerprints)
    return route.tls is TlsLevel.VERIFIED and is_own
