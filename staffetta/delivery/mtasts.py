"""MTA-STS: what a domain's policy says of its mail exchangers (RFC 8461). Reading it; policies.py gets and keeps it.

Rule 1: a policy that cannot be read is no policy; the one that was read before counts until it ends.
Rule 2: a pattern's wildcard stands for the leftmost label alone.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from staffetta.mail.address import AddressError, parse_domain

POLICY_OCTETS_MAX = 65_536  # RFC 8461 §3.3 suggests it
MAX_AGE_SECONDS_MAX = 31_557_600  # RFC 8461 §3.2
_MX_MAX = 200
_VERSION = "STSv1"
_ID = re.compile(r"[A-Za-z0-9]{1,32}")


class Mode(StrEnum):
    ENFORCE = "enforce"
    TESTING = "testing"
    NONE = "none"


class BadPolicy(ValueError):
    """This is no policy. The text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class StsPolicy:
    """mx: names, lower case, or `*.` and a domain."""

    mode: Mode
    mx: tuple[str, ...]
    max_age_seconds: int

    def names(self, host: str) -> bool:
        """Whether the policy names a mail exchanger (RFC 8461 §4.1)."""
        return any(
            host == pattern or (pattern.startswith("*.") and host.partition(".")[2] == pattern[2:])
            for pattern in self.mx
        )


def read_record(texts: tuple[str, ...]) -> str | None:
    """Return the id of the policy that TXT records at `_mta-sts.` announce; None where they announce none.

    RFC 8461 §3.1: of records that begin otherwise nothing is said, and more than one is none.
    """
    records = [text for text in texts if re.match(r"v=STSv1\s*(;|$)", text)]
    if len(records) != 1:
        return None
    for field in records[0].split(";")[1:]:
        key, _, value = field.strip().partition("=")
        if key.strip() == "id" and _ID.fullmatch(value.strip()):
            return value.strip()
    return None


def read_policy(text: str) -> StsPolicy:
    """Read a policy file (RFC 8461 §3.2). Unknown keys are passed over, of doubled ones the first counts."""
    values: dict[str, str] = {}
    patterns: list[str] = []
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if not colon and line.strip():
            raise BadPolicy(f"{line[:80]!r} is no line of a policy")
        if key.strip() == "mx":
            patterns.append(_pattern(value.strip()))
        else:
            values.setdefault(key.strip(), value.strip())
    if values.get("version") != _VERSION:
        raise BadPolicy(f"its version is {values.get('version')!r}, and must be {_VERSION}")
    try:
        mode = Mode(values.get("mode", ""))
    except ValueError:
        raise BadPolicy(f"its mode is {values.get('mode')!r}, and must be enforce, testing or none") from None
    age = values.get("max_age", "")
    if not (age.isascii() and age.isdigit() and len(age) <= 10):
        raise BadPolicy(f"its max_age is {age!r}, and must be seconds")
    if mode is not Mode.NONE and not 0 < len(patterns) <= _MX_MAX:
        raise BadPolicy(f"it names {len(patterns)} mail exchangers, and must name 1 to {_MX_MAX}")
    return StsPolicy(mode, tuple(patterns), min(int(age), MAX_AGE_SECONDS_MAX))


def print_policy(policy: StsPolicy) -> str:
    """Return the policy as a file that read_policy() reads."""
    lines = [f"version: {_VERSION}", f"mode: {policy.mode}", *(f"mx: {pattern}" for pattern in policy.mx)]
    return "\n".join([*lines, f"max_age: {policy.max_age_seconds}", ""])


def _pattern(text: str) -> str:
    try:
        return "*." * text.startswith("*.") + parse_domain(text.removeprefix("*."))
    except AddressError as error:
        raise BadPolicy(f"mx: {text[:80]!r}: {error}") from None
