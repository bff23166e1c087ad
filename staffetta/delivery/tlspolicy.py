"""What a connection to a next hop must be as to TLS, and whether a certificate is good enough (RFC 3207, RFC 9525).

none: never. opportunistic: where it is offered, with any certificate, since the alternative is clear text (RFC 7435);
where it cannot be had, in clear. required: in TLS or not at all, with any certificate. verified: the certificate is in
its time, strong, issued by the named authority for servers, and has the right name; or it is pinned.

Rule 1: names are compared as for connectors (policy/certificate.py): a wildcard in a certificate stands for one label.
Rule 2: an address as the host is verified by the certificate's addresses alone.
Rule 3: the certificate is judged after the handshake and before anything more is said, EHLO included.
"""

import asyncio
import ipaddress
from dataclasses import dataclass, replace

from staffetta.delivery.dane import problem_with
from staffetta.delivery.trouble import HopTrouble
from staffetta.mail.outcome import Stage, TlsJudgement
from staffetta.net.resolver import Tlsa
from staffetta.policy.certificate import names_match, problem_of_pinned, problem_under, read
from staffetta.policy.decision import PeerCertificate
from staffetta.settings.model import Settings
from staffetta.settings.objects import PUBLIC_TRUST
from staffetta.settings.roads import ANY_NAME, Route, TlsLevel, TlsVersion
from staffetta.settings.trust import authority

_NAMES_SHOWN = 5


class Mistrusted(Exception):
    """The certificate is not what the policy asks for. The text says what it is, and what was wanted.

    judgement: what was seen all the same, so that the trace has a fingerprint to pin. is_expired: its time is over.
    """

    def __init__(self, problem: str, judgement: TlsJudgement, *, is_expired: bool) -> None:
        super().__init__(problem)
        self.judgement = judgement
        self.is_expired = is_expired

    def as_trouble(self) -> HopTrouble:
        """Return it as what a next hop was like."""
        trouble = HopTrouble("4.7.5", str(self), Stage.TLS)
        trouble.judgement = self.judgement
        trouble.result_type = "certificate-expired" if self.is_expired else None
        return trouble


@dataclass(frozen=True, slots=True)
class TlsDemand:
    """What is asked of a connection.

    names: of which the certificate must have one; `*`: any; empty: the host's. authorities: as routes name them, of
    which one is enough; the first one's complaint is told.
    fingerprints: SHA-256, lower-case hexadecimal, of certificates that are good whoever issued them.
    tlsa: where there are some, these decide in place of authority and fingerprints (dane.py).
    policy: who asks, for the trace: route, dane, mta-sts or requiretls.
    """

    level: TlsLevel = TlsLevel.OPPORTUNISTIC
    minimum: TlsVersion = TlsVersion.TLS_1_2
    names: tuple[str, ...] = ()
    authorities: tuple[str, ...] = (PUBLIC_TRUST,)
    fingerprints: tuple[str, ...] = ()
    tlsa: tuple[Tlsa, ...] = ()
    policy: str = "route"

    @property
    def is_must(self) -> bool:
        """Whether mail may not travel in clear."""
        return self.level in (TlsLevel.REQUIRED, TlsLevel.VERIFIED)

    @property
    def told(self) -> str:
        """ "route: verified"."""
        return f"{self.policy}: {self.level}"


def demand_of(route: Route) -> TlsDemand:
    """Return what a route asks for."""
    return TlsDemand(
        level=route.tls,
        minimum=route.tls_minimum,
        names=tuple(name.lower() for name in route.tls_names),
        authorities=(route.trusted_authority,),
        fingerprints=tuple(text.replace(":", "").lower() for text in route.tls_fingerprints),
    )


def with_level(demand: TlsDemand, level: TlsLevel, policy: str) -> TlsDemand:
    """Return the demand with more of TLS. policy: who asks for it. Versions of an age that breaks them do not count."""
    return replace(demand, level=level, policy=policy, minimum=max(demand.minimum, TlsVersion.TLS_1_2))


def in_clear(demand: TlsDemand) -> TlsJudgement:
    """Return what there is to say of a connection without TLS."""
    return TlsJudgement(policy=demand.told, is_verified=False, names=(), fingerprint="")


async def judge(demand: TlsDemand, host: str, chain: tuple[bytes, ...], settings: Settings, at: float) -> TlsJudgement:
    """Return what the certificate is worth. Raises Mistrusted where that is not enough.

    chain: DER, leaf first; a server always has one. at: seconds since 1970.
    """
    shown = PeerCertificate(chain[0], chain[1:])
    presented = read(shown)
    names = (*presented.names, *presented.addresses)
    seen = TlsJudgement(policy=demand.told, is_verified=False, names=names, fingerprint=presented.fingerprint)
    if demand.level is not TlsLevel.VERIFIED:
        return seen
    # Authorities are read from files, and a chain takes arithmetic: neither holds up the other connections.
    problem = await asyncio.to_thread(_problem, demand, host, shown, settings, at)
    if problem is not None:
        is_expired = not demand.tlsa and at > presented.not_after  # DANE has times of its own
        raise Mistrusted(problem, seen, is_expired=is_expired)
    return replace(seen, is_verified=True)


def _problem(demand: TlsDemand, host: str, shown: PeerCertificate, settings: Settings, at: float) -> str | None:
    if demand.tlsa:
        return problem_with(shown, demand.tlsa, demand.names, at)
    presented = read(shown)
    if presented.fingerprint in demand.fingerprints:
        problem = problem_of_pinned(shown, at)
        return f"the pinned certificate: {problem}" if problem else None
    problem = _problem_under_all(demand.authorities, shown, settings, at)
    if problem is None and ANY_NAME in demand.names:
        return None
    if problem is None:
        who = "the route" if demand.policy == "route" else demand.policy
        wanted = demand.names or (_as_in_certificates(host),)
        return _problem_of_name(wanted, (*presented.names, *presented.addresses), who)
    pins = ", and it is none of the pinned ones" if demand.fingerprints else ""
    return f"the certificate of {presented.subject or 'the next hop'}: {problem}{pins}"


def _problem_under_all(
    authorities: tuple[str, ...], shown: PeerCertificate, settings: Settings, at: float
) -> str | None:
    problems = [problem_under(shown, authority(name, settings, at), at, is_server=True) for name in authorities]
    return None if None in problems else problems[0]


def _problem_of_name(wanted: tuple[str, ...], found: tuple[str, ...], who: str) -> str | None:
    if any(_is_same(want, name) for want in wanted for name in found):
        return None
    shown = ", ".join(found[:_NAMES_SHOWN]) or "no host"
    more = f" and {len(found) - _NAMES_SHOWN} more" if len(found) > _NAMES_SHOWN else ""
    return f"the certificate names {shown}{more}; {who} wants {' or '.join(wanted)}"


def _as_in_certificates(host: str) -> str:
    """Certificates have A-labels (RFC 9525 §6.3), lower-case here."""
    try:
        return host.encode("idna").decode().lower()
    except UnicodeError:  # a path, or nothing that any certificate names
        return host.lower()


def _is_same(wanted: str, found: str) -> bool:
    try:
        return str(ipaddress.ip_address(wanted)) == found
    except ValueError:
        return names_match(wanted, found)
