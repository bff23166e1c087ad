"""Whether our listeners can be reached, whether it is we who answer there, and as these settings say."""

import ipaddress
from collections.abc import Iterator

from staffetta.doctor.checks.open_relay import VICTIM, decided
from staffetta.doctor.facts import Facts, ListenerFacts, SessionFacts, Whose
from staffetta.doctor.finding import Finding, Kind, NotChecked, Severity
from staffetta.mail.address import parse_mailbox
from staffetta.policy.certificate import day, read
from staffetta.policy.decision import PeerCertificate

NOT_RUNNING = Kind(
    "relay-not-running",
    Severity.WARNING,
    "Nobody can hand over mail.",
    "Start it: staffetta serve --config {config}",
)
UNREACHABLE = Kind(
    "listener-unreachable",
    Severity.ERROR,
    "Clients that use this listener cannot hand over mail.",
    "Look into the relay's log; after a change of listeners it must be restarted; a firewall may be in between.",
)
FOREIGN = Kind(
    "listener-not-ours",
    Severity.ERROR,
    "Something else has the port, and takes the mail that is meant for the relay.",
    "Stop it (`ss -ltnp` names it), or write another address for listener {listener}.",
)
NO_STARTTLS = Kind(
    "listener-without-starttls",
    Severity.WARNING,
    "The relay always offers STARTTLS: something in between takes it away, and clients send in clear or not at all.",
    "Look for a firewall that inspects SMTP, and switch that off.",
)
STALE = Kind(
    "listener-certificate-stale",
    Severity.WARNING,
    "The relay still serves with the certificate that it read at its start, until that one ends.",
    "Restart the relay after a renewal of {path}.",
)
RELAYS = Kind(
    "listener-relays-against-the-settings",
    Severity.ERROR,
    "The relay that runs lets out what these settings refuse: an open relay is found within hours.",
    "Reload the relay (SIGHUP), and run the doctor again; a proxy in front must be named in proxy_protocol_from.",
)
OTHERWISE = Kind(
    "listener-answers-otherwise",
    Severity.WARNING,
    "The relay that runs refuses what these settings allow: it has other settings.",
    "Reload the relay (SIGHUP), and look into its log for why it did not take these.",
)
KINDS = (NOT_RUNNING, UNREACHABLE, FOREIGN, NO_STARTTLS, STALE, RELAYS, OTHERWISE)


def judge(facts: Facts) -> Iterator[Finding | NotChecked]:
    visited = facts.online.listeners
    if not visited:
        yield NotChecked("there is no listener whose port is known")
    elif all(each.session.is_refused for each in visited):
        where = ", ".join(each.session.where for each in visited)
        origin = facts.settings.origin
        yield NOT_RUNNING.found(f"nobody listens at {where}", config=origin.path if origin is not None else "FILE")
    else:
        for each in visited:
            yield from _of(each, facts)


def _of(each: ListenerFacts, facts: Facts) -> Iterator[Finding]:
    session = each.session
    where = f"listener {each.name!r} at {session.where}"
    if session.greeting and not _is_ours(session, facts.settings.hostname):
        yield FOREIGN.found(f"{where} greets with {session.greeting!r}", listener=repr(each.name))
        return
    if session.trouble is not None:
        yield UNREACHABLE.found(f"{where}: {session.trouble}")
        return
    if not session.has_starttls and not _has_implicit_tls(each.name, facts):
        yield NO_STARTTLS.found(f"{where} offers no STARTTLS")
    yield from _certificate(each, facts)
    yield from _relaying(each, where, facts)


def _is_ours(session: SessionFacts, hostname: str) -> bool:
    """By the name after the code; a listener that is full or stops says 421 with it."""
    return session.greeting[4:].lower().startswith((f"{hostname.lower()} ", "4."))


def _has_implicit_tls(name: str, facts: Facts) -> bool:
    return any(listener.implicit_tls for listener in facts.settings.listeners if listener.name == name)


def _certificate(each: ListenerFacts, facts: Facts) -> Iterator[Finding]:
    served = each.session.certificate_der
    for kept in facts.certificates:
        if kept.whose is Whose.LISTENER and each.name in kept.names and kept.shown is not None and served is not None:
            if kept.shown.leaf_der == served:
                return
            ends = day(read(PeerCertificate(served)).not_after), day(read(kept.shown).not_after)
            seen = f"listener {each.name!r} serves a certificate that ends on {ends[0]}; {kept.path} ends on {ends[1]}"
            yield STALE.found(seen, path=kept.path)


def _relaying(each: ListenerFacts, where: str, facts: Facts) -> Iterator[Finding]:
    """What was answered to a recipient elsewhere, and what these settings answer to the same."""
    reply = each.session.relayed
    domains = facts.settings.accepted_domains
    if reply is None or not domains:
        return
    sender = parse_mailbox(f"postmaster@{domains[0].name}")
    decision, _ = decided(ipaddress.ip_address(each.peer), sender, facts, each.name)
    seen = f"{where} answers {reply!r} to a client at {each.peer} that writes from {sender} to {VICTIM}"
    if reply.startswith("2") and not decision.is_accepted:
        yield RELAYS.found(seen)
    elif reply.startswith("5") and decision.is_accepted:
        yield OTHERWISE.found(seen)
