"""What the fields mean, in sentences. Each names the field that it rests on, and the RFC or document that says so.

Rule 1: a finding says what is seen, not what may be guessed. Fields can be forged by whoever held the message before
the hop that one trusts; a finding on a field that no trusted host wrote says so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from staffetta.analyzer.authentication import Verdict
from staffetta.analyzer.exchange import Exchange
from staffetta.analyzer.hops import Hop
from staffetta.analyzer.reports import ANTISPAM, FOREFRONT, Entry
from staffetta.analyzer.words import duration, sending_host

LONG_WAIT_SECONDS = 300
_LEARN_ANTISPAM = "Microsoft Learn: Anti-spam message headers"
_LEARN_CONNECTORS = "Microsoft Learn: Configure mail flow using connectors"
_FRONT_DOOR = ".mail.protection.outlook.com"
_BULK_FROM = 4
_BAD = ("fail", "softfail", "permerror", "temperror", "hardfail")


class Severity(StrEnum):
    GOOD = "good"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """text: a sentence. field: the name of the field that it rests on. reference: an RFC or a document."""

    severity: Severity
    text: str
    field: str
    reference: str


@dataclass(frozen=True, slots=True)
class Seen:
    """All that findings are drawn from."""

    hops: Sequence[Hop]
    verdicts: Sequence[Verdict]
    forefront: Sequence[Entry]
    antispam: Sequence[Entry]
    exchange: Exchange


def findings_of(seen: Seen) -> tuple[Finding, ...]:
    """Return the findings: the road, then Exchange, then authentication, then the filters."""
    return (*_of_hops(seen), *_of_road(seen), *_of_exchange(seen), *_of_authentication(seen), *_of_filters(seen))


def _of_hops(seen: Seen) -> Iterator[Finding]:
    if not seen.hops:
        yield _finding(Severity.INFO, "There is no Received field, so nothing tells of the road.", "RFC 5321 §4.4")
    for hop in seen.hops:
        if hop.delay_seconds is not None and hop.delay_seconds >= LONG_WAIT_SECONDS:
            host = hop.received.by_name or "the next host"
            text = f"Hop {hop.number} waited {duration(hop.delay_seconds)} before {host} had the message."
            yield _finding(Severity.WARNING, text, "RFC 5321 §4.4")
        if hop.has_wrong_clock and hop.clock_offset_seconds is not None:
            way = "ahead" if hop.clock_offset_seconds > 0 else "behind"
            text = (
                f"The clock of hop {hop.number} ({hop.received.by_name or 'unnamed'}) is at least "
                f"{duration(abs(hop.clock_offset_seconds))} {way} of its neighbours; its delay is not counted."
            )
            yield _finding(Severity.WARNING, text, "RFC 5321 §4.4")
        if hop.received.is_zone_assumed:
            text = f"Hop {hop.number} names no time zone that is known; UTC is assumed."
            yield _finding(Severity.INFO, text, "RFC 5322 §3.3")
        if hop.received.at is None:
            yield _finding(Severity.INFO, f"Hop {hop.number} tells no time that can be read.", "RFC 5321 §4.4")
    clear = [str(hop.number) for hop in seen.hops if hop.received.from_address and hop.received.tls is None]
    if clear:
        many = "Hops" if len(clear) > 1 else "Hop"
        text = f"{many} {', '.join(clear[:20])} tell{'' if len(clear) > 1 else 's'} nothing of TLS."
        yield _finding(Severity.INFO, text, "RFC 3848 §1")


def _of_road(seen: Seen) -> Iterator[Finding]:
    """The relay on premises, then the front door."""
    for before, hop in zip(seen.hops, seen.hops[1:], strict=False):
        if (hop.received.by_name or "").lower().endswith(_FRONT_DOOR) and seen.exchange.came_by_connector:
            text = (
                f"The chain shows {before.received.by_name or 'a relay'}, then the front door {hop.received.by_name}, "
                "and a connector let it in: relayed as intended."
            )
            yield _finding(Severity.GOOD, text, _LEARN_CONNECTORS)
            return


def _of_exchange(seen: Seen) -> Iterator[Finding]:
    exchange = seen.exchange
    if exchange.came_by_connector and exchange.attributed_address:
        yield Finding(
            Severity.GOOD,
            f"A connector of the organisation let in {exchange.attributed_name or 'a client'} "
            f"({exchange.attributed_address}).",
            "X-MS-Exchange-CrossTenant-OriginalAttributedTenantConnectingIp",
            _LEARN_CONNECTORS,
        )
    elif exchange.came_by_connector is False and (exchange.origin or "").lower() == "internet":
        front = next((hop for hop in seen.hops if (hop.received.by_name or "").lower().endswith(_FRONT_DOOR)), None)
        whence = f" It came from {sending_host(front.received)}." if front else ""
        yield Finding(
            Severity.WARNING,
            f"This message did not pass through the connector: Exchange took it for mail from the Internet.{whence}",
            "X-MS-Exchange-CrossTenant-FromEntityHeader",
            _LEARN_CONNECTORS,
        )
    if (exchange.auth_as or "").lower() == "internal":
        yield Finding(
            Severity.INFO,
            "Exchange took the sender for one of its own (AuthAs Internal): spam checks were skipped.",
            "X-MS-Exchange-Organization-AuthAs",
            "Microsoft Learn: Header firewall",
        )


def _of_authentication(seen: Seen) -> Iterator[Finding]:
    for verdict in seen.verdicts:
        if verdict.chain == "fail":
            yield Finding(Severity.ERROR, "The ARC chain is broken.", verdict.field, "RFC 8617 §4.4")
        for result in verdict.results if verdict.field.lower() != "arc-authentication-results" else ():
            if result.result not in (*_BAD, "pass"):
                continue
            said = f"{verdict.host or 'a host that is not named'} says {result.method.upper()} {result.result}"
            said += f" ({result.comment})" if result.comment else ""
            is_bad = result.result != "pass"
            if not verdict.is_trusted:
                text = f"{said[0].upper()}{said[1:]}; nothing shows that this host can be trusted."
                yield Finding(Severity.INFO, text, verdict.field, "RFC 8601 §7.1")
            else:
                severity = Severity.ERROR if is_bad else Severity.GOOD
                yield Finding(severity, f"{said[0].upper()}{said[1:]}.", verdict.field, "RFC 8601 §2.7")


def _of_filters(seen: Seen) -> Iterator[Finding]:
    report = {entry.key: entry for entry in seen.forefront}
    for key in ("SFV", "IPV"):
        entry = report.get(key)
        if entry and entry.meaning and entry.value.upper() not in ("NSPM", "NLI"):
            severity = Severity.ERROR if entry.meaning.startswith("spam") else Severity.INFO
            text = f"The filter's verdict ({key}:{entry.value}) is: {entry.meaning}."
            yield Finding(severity, text, FOREFRONT, _LEARN_ANTISPAM)
    level = next((entry.value for entry in seen.antispam if entry.key == "BCL"), "")
    if level.isascii() and level.isdigit() and len(level) == 1 and int(level) >= _BULK_FROM:
        text = f"It counts as bulk mail (BCL {level})."
        yield Finding(Severity.INFO, text, ANTISPAM, _LEARN_ANTISPAM)


def _finding(severity: Severity, text: str, reference: str) -> Finding:
    return Finding(severity, text, "Received", reference)
