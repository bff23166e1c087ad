"""The address that our mail comes from: static, with a name that leads back to it, and our name with that address.

Nobody can see from here that an address is static. What is seen is that it is still the configured one, and that its
name does not tell of a line whose address changes.
"""

import ipaddress
import re
from collections.abc import Iterator

from staffetta.doctor.certificate import some
from staffetta.doctor.facts import Facts, OwnAddress
from staffetta.doctor.finding import Finding, Kind, NotChecked, Severity
from staffetta.doctor.roads import shows_our_address

_OF_DIAL_IN = re.compile(r"(^|[.-])(dyn(amic)?|dhcp|dial(up|in)?|pool|a?dsl|ppp(oe)?|cable|dip|broadband)\d*([.-]|$)")

CHANGED = Kind(
    "public-address-changed",
    Severity.ERROR,
    "SPF, PTR and connectors that know us by address know another one, so that mail is refused.",
    "Let the line have a static address; then set doctor.public_addresses, SPF, PTR and the connector to it.",
)
UNKNOWN = Kind(
    "public-address-unknown",
    Severity.NOTICE,
    "Whether PTR, SPF and HELO are right cannot be looked at without it.",
    "Write it into doctor.public_addresses, or set doctor.probe_host, whose reply tells it.",
)
NO_NAME = Kind(
    "ptr-missing",
    Severity.ERROR,
    "Many mail exchangers refuse every host whose address has no name, Google and Microsoft among them.",
    "Ask who gave you the address to point {address} to {hostname}.",
)
UNCONFIRMED = Kind(
    "ptr-not-confirmed",
    Severity.WARNING,
    "A name counts where it leads back to the address; else it is as good as none to many exchangers.",
    "Publish {address} as the address of {name}, or have the PTR record point to a name that has it.",
)
DYNAMIC = Kind(
    "ptr-looks-dynamic",
    Severity.WARNING,
    "Blocklists and exchangers refuse lines whose address changes, and they go by such names.",
    "Ask for a static address with a name of yours, or send through a smart host, submission or Graph.",
)
ELSEWHERE = Kind(
    "helo-not-ours",
    Severity.WARNING,
    "We say HELO with this name; who looks it up finds somebody else, or nobody, and trusts us less.",
    "Publish {address} as the address of {hostname}, or set hostname to the name of the address.",
)
KINDS = (CHANGED, UNKNOWN, NO_NAME, UNCONFIRMED, DYNAMIC, ELSEWHERE)


def judge(facts: Facts) -> Iterator[Finding | NotChecked]:
    if not shows_our_address(facts.settings):
        yield NotChecked("no road leads to hosts that go by our address")
        return
    online = facts.online
    configured = facts.settings.doctor.public_addresses
    seen_as = online.probe.seen_as if online.probe is not None else None
    if seen_as is not None and configured and _is_of_another(seen_as, configured):
        yield CHANGED.found(
            f"{online.probe.where if online.probe else ''} sees us as {seen_as}, not {some(configured, '')}"
        )
    if not online.own:
        yield UNKNOWN.found("this machine's own addresses are private ones")
    for own in online.own:
        yield from _name(own, facts)
    if online.own:
        yield from _helo(facts)


def _name(own: OwnAddress, facts: Facts) -> Iterator[Finding | NotChecked]:
    words = {"address": own.address, "hostname": facts.settings.hostname}
    if own.trouble is not None:
        yield NotChecked(own.trouble)
    elif not own.names:
        yield NO_NAME.found(f"{own.address} has no PTR record", **words)
    elif not own.confirmed:
        seen = f"the name of {own.address}, {some(own.names, '')}, does not lead back to it"
        yield UNCONFIRMED.found(seen, name=own.names[0], **words)
    elif all(_looks_dynamic(name, own.address) for name in own.confirmed):
        yield DYNAMIC.found(f"{own.address} is called {own.confirmed[0]}")


def _helo(facts: Facts) -> Iterator[Finding]:
    hostname = facts.settings.hostname.lower()
    found = facts.online.hosts.get(hostname)
    ours = {own.address for own in facts.online.own}
    if found is not None and found.trouble is None and not ours & set(found.addresses):
        seen = f"{hostname} has {some(found.addresses, 'no address')}; our mail comes from {some(sorted(ours), '')}"
        yield ELSEWHERE.found(seen, address=min(ours), hostname=hostname)


def _is_of_another(seen_as: str, configured: tuple[str, ...]) -> bool:
    """Whether none of the configured addresses of that kind is the one seen."""
    of_kind = [text for text in configured if (":" in text) == (":" in seen_as)]
    return bool(of_kind) and seen_as not in of_kind


def _looks_dynamic(name: str, address: str) -> bool:
    """By words of providers, or by all four octets of the address in the name."""
    if _OF_DIAL_IN.search(name):
        return True
    if ipaddress.ip_address(address).version == 6:
        return False
    numbers = [number.lstrip("0") or "0" for number in re.findall(r"\d+", name)]
    octets = address.split(".")
    return any(numbers[at : at + 4] in (octets, octets[::-1]) for at in range(len(numbers)))
