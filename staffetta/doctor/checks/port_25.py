"""Whether mail can leave by port 25: a mail server elsewhere is greeted, and nothing is sent."""

from collections.abc import Iterator

from staffetta.doctor.facts import Facts
from staffetta.doctor.finding import Finding, Kind, NotChecked, Severity

_ACTION = (
    "Ask the provider to open port 25 for you (many do so on request), or send by a smart host on port 587, by "
    "submission, or by Graph."
)

BLOCKED = Kind(
    "port-25-blocked",
    Severity.ERROR,
    "Mail exchangers and Exchange's connector listen on port 25 alone; many providers close it.",
    _ACTION,
)
INTERCEPTED = Kind(
    "port-25-intercepted",
    Severity.WARNING,
    "Something in between speaks for the far side, reads the mail, and keeps TLS away.",
    "Look for a firewall that inspects SMTP and switch that off, or ask the provider.",
)
TURNED_AWAY = Kind(
    "port-25-turned-away",
    Severity.WARNING,
    "A mail server that does not know us yet refuses us by our address; others do so too.",
    "Read its words; where they name a blocklist, have the address taken off it, and look why it came on it.",
)
KINDS = (BLOCKED, INTERCEPTED, TURNED_AWAY)


def judge(facts: Facts) -> Iterator[Finding | NotChecked]:
    probe = facts.online.probe
    if probe is None:
        yield NotChecked("doctor.probe_host is not set")
    elif not probe.greeting and probe.trouble is not None and not probe.trouble.startswith("what answers"):
        yield BLOCKED.found(f"{probe.where}: {probe.trouble}")
    elif not probe.greeting:
        yield INTERCEPTED.found(f"{probe.where}: {probe.trouble}")
    elif not probe.greeting.startswith("2"):
        yield TURNED_AWAY.found(f"{probe.where} greets with {probe.greeting!r}")
    elif "***" in probe.greeting or not probe.has_starttls:
        what = "its greeting is starred out" if "***" in probe.greeting else "it offers no STARTTLS"
        yield INTERCEPTED.found(f"{probe.where} greets with {probe.greeting!r}, and {what}")
    elif probe.trouble is not None:
        yield INTERCEPTED.found(f"{probe.where}: {probe.trouble}")
