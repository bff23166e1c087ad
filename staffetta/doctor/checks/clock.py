"""Whether this machine's clock is right: certificates, tokens and the dates of mail depend on it."""

from collections.abc import Iterator

from staffetta.doctor.facts import Facts
from staffetta.doctor.finding import Finding, Kind, NotChecked, Severity

_WRONG_SECONDS = 120.0  # tokens and new certificates are refused at five minutes; none are at one
_OFF_SECONDS = 10.0

WRONG = Kind(
    "clock-wrong",
    Severity.ERROR,
    "Tokens and new certificates are refused, and mail is dated wrongly, which spam filters count against it.",
    "Set the clock, and let chrony or systemd-timesyncd keep it.",
)
OFF = Kind(
    "clock-off",
    Severity.WARNING,
    "The delays that a message's header shows are wrong by as much, and it grows.",
    "Let chrony or systemd-timesyncd keep the clock.",
)
UNKEPT = Kind(
    "clock-not-synchronised",
    Severity.NOTICE,
    "A clock that nobody keeps drifts by some seconds a day.",
    "Let chrony or systemd-timesyncd keep the clock; in a container or a virtual machine, look at the host.",
)
KINDS = (WRONG, OFF, UNKEPT)


def judge(facts: Facts) -> Iterator[Finding | NotChecked]:
    for whom, ahead in sorted(facts.clock.offsets, key=lambda each: -abs(each[1]))[:1]:
        seen = f"this clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} that of {whom}"
        if abs(ahead) > _WRONG_SECONDS:
            yield WRONG.found(seen)
        elif abs(ahead) > _OFF_SECONDS:
            yield OFF.found(seen)
    for whom in facts.clock.unanswered:
        yield NotChecked(f"{whom} does not answer")
    if facts.clock.is_synchronized is False:
        yield UNKEPT.found("the kernel says that its clock is not synchronised")
