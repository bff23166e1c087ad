"""The whole examination: gather what is asked for, let every check judge it, and report.

Rule 1: nothing is changed, no mail is sent, and no secret becomes part of a fact.
Rule 2: offline, no socket is opened and no name looked up; checks that need the network say that they were left out.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from staffetta.doctor.catalogue import CHECKS, Check, Needs
from staffetta.doctor.facts import ClientFacts, ClockFacts, DiskFacts, Facts, NetworkFacts, SessionFacts
from staffetta.doctor.finding import Finding, NotChecked, Severity
from staffetta.doctor.gathering import clock, machine, names, sessions
from staffetta.doctor.gathering.certificates import certificates
from staffetta.doctor.gathering.files import files
from staffetta.net.resolver import DnsResolver
from staffetta.settings.acme_state import read_acme_state
from staffetta.settings.model import Settings
from staffetta.settings.objects import PUBLIC_TRUST
from staffetta.settings.outbound import smart_host
from staffetta.settings.trust import authority
from staffetta.trace.peers import peer_counts
from staffetta.trace.search import TraceUnavailable

_HELOS_MAX = 10


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined. settings: of file and directory together, or of the file alone where these contradict.

    spool: its folder. directory_trouble: as in Facts.
    """

    settings: Settings
    spool: Path
    directory_trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Examined:
    """One check. findings: the worst first. not_checked: what it could not look at, and why."""

    check: str
    findings: tuple[Finding, ...]
    not_checked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What every check said, in the order of the catalogue."""

    examined: tuple[Examined, ...]

    @property
    def findings(self) -> list[tuple[str, Finding]]:
        """Each with the name of its check, the worst first."""
        found = [(each.check, finding) for each in self.examined for finding in each.findings]
        return sorted(found, key=lambda pair: _rank(pair[1]))

    def count(self, severity: Severity) -> int:
        return sum(finding.severity is severity for _, finding in self.findings)


Tell = Callable[[str], None]
"""Is told what is being done, for a person who waits."""


@dataclass(frozen=True, slots=True)
class Means:
    """How to look: as it is, unless a test has a disk or a DNS of its own.

    signed, forged: names as names.resolver() has them.
    """

    look_at_disk: Callable[[Path], DiskFacts] = machine.disk
    is_clock_synchronized: Callable[[], bool | None] = machine.is_clock_synchronized
    signed: str = names.SIGNED
    forged: str = names.FORGED
    get_policy: names.GetPolicy = names.served_policy


def _silent(_step: str) -> None:
    pass


async def examine(
    patient: Patient, now: float, *, offline: bool = False, tell: Tell = _silent, means: Means | None = None
) -> Report:
    """Examine, and report; takes seconds. now: seconds since 1970."""
    means = means or Means()
    tell("Reading files")
    facts = await asyncio.to_thread(gather, patient, now, means)
    if not offline:
        network = await _network(patient.settings, means, tell)
        kept = await _clock(patient.settings, network.probe, facts.clock)
        facts = replace(facts, network=network, clock=kept)
    return judged(facts)


def gather(patient: Patient, now: float, means: Means) -> Facts:
    """Return what this machine tells without the network."""
    settings = patient.settings
    return Facts(
        settings=settings,
        now=now,
        public=authority(PUBLIC_TRUST, settings, now),
        certificates=certificates(settings),
        disk=means.look_at_disk(settings.data_dir),
        files=files(settings),
        clients=_clients(patient.spool),
        clock=ClockFacts(means.is_clock_synchronized()),
        directory_trouble=patient.directory_trouble,
        acme=read_acme_state(settings.data_dir),
    )


async def _network(settings: Settings, means: Means, tell: Tell) -> NetworkFacts:
    tell("Visiting our listeners")
    visited = await sessions.listeners(settings)
    tell("Asking the DNS")
    asked = names.resolver_of(settings)
    resolver = await names.resolver(asked, settings, means.signed, means.forged)
    tell("Trying port 25")
    probe = await _probe(settings, None if resolver.trouble is not None else asked)
    seen = NetworkFacts(resolver=resolver, hosts={}, domains=(), own=(), listeners=visited, probe=probe)
    if resolver.trouble is not None:
        return seen
    tell("Asking the DNS about next hops and accepted domains")
    return replace(
        seen,
        hosts=await names.hosts(asked, settings),
        domains=await names.domains(asked, settings, means.get_policy),
        own=await names.own_addresses(asked, settings, probe.seen_as if probe is not None else None),
        unasked_domains=max(0, len(settings.accepted_domains) - names.DOMAINS_MAX),
    )


async def _probe(settings: Settings, asked: DnsResolver | None) -> SessionFacts | None:
    """Greet the probe host. asked: a resolver that answers, where there is one."""
    text = settings.doctor.probe_host
    if text is None:
        return None
    addresses = (await names.host(asked, smart_host(text).host)).addresses if asked is not None else ()
    return await sessions.probe(settings, text, addresses)


async def _clock(settings: Settings, probe: SessionFacts | None, kept: ClockFacts) -> ClockFacts:
    """Compare with whoever tells the time."""
    offsets, unanswered = [], []
    if probe is not None and probe.ahead_seconds is not None:
        offsets.append((probe.where, probe.ahead_seconds))
    if (server := settings.doctor.time_server) is not None:
        ahead = await clock.ahead_of(server)
        if ahead is None:
            unanswered.append(server)
        else:
            offsets.append((server, ahead))
    return replace(kept, offsets=tuple(offsets), unanswered=tuple(unanswered))


def judged(facts: Facts) -> Report:
    """Let every check judge the facts."""
    return Report(tuple(_examined(check, facts) for check in CHECKS))


def _examined(check: Check, facts: Facts) -> Examined:
    obstacle = _obstacle(check, facts)
    said = [NotChecked(obstacle)] if obstacle is not None else list(check.judge(facts))
    findings = sorted((each for each in said if isinstance(each, Finding)), key=_rank)
    return Examined(check.name, tuple(findings), tuple(each.why for each in said if isinstance(each, NotChecked)))


def _obstacle(check: Check, facts: Facts) -> str | None:
    """Why a check cannot be made at all."""
    if check.needs is Needs.NOTHING:
        return None
    if facts.network is None:
        return "it needs the network"
    if check.needs is Needs.DNS and facts.network.resolver.trouble is not None:
        return f"it needs {Needs.DNS}"
    return None


def _rank(finding: Finding) -> int:
    return list(Severity).index(finding.severity)


def _clients(spool: Path) -> ClientFacts:
    clients = ClientFacts(gateway=machine.default_gateway())
    try:
        counts = peer_counts(spool)
    except TraceUnavailable:  # a relay that has never run has had no clients
        return clients
    peers = tuple((each.address, each.sessions) for each in counts)
    return replace(clients, peers=peers, helos=counts[0].helos[:_HELOS_MAX] if counts else ())
