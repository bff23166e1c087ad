"""The certificate that the relay gets by itself: whether its orders go well."""

from collections.abc import Iterator

from staffetta.doctor.facts import Facts
from staffetta.doctor.finding import Finding, Kind, Severity
from staffetta.policy.certificate import day

NOT_ISSUED = Kind(
    "acme-not-issued",
    Severity.WARNING,
    "Until there is one, listeners serve with the one before, or with one of our own making, which clients that check "
    "refuse.",
    "Mend what is said: the name must lead here, and port {port} to acme.addresses. Then reload the relay, which "
    "orders at once.",
)
KINDS = (NOT_ISSUED,)


def judge(facts: Facts) -> Iterator[Finding]:
    acme, state = facts.settings.acme, facts.acme
    if acme is not None and state is not None and state.failures:
        seen = f"{state.failures} orders failed, the last on {day(state.at)}: {state.failure}"
        yield NOT_ISSUED.found(seen, port=acme.challenge.port)
