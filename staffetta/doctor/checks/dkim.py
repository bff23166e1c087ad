"""DKIM of our domains: whether there are keys at all, and whether those of the settings are sound (RFC 6376)."""

import base64
import binascii
from collections.abc import Iterator

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from staffetta.doctor.facts import DomainFacts, Facts
from staffetta.doctor.finding import Finding, Kind, Severity

_BITS_MIN = 1024  # RFC 8301 §3.2; receivers want 2048, and refuse less than 1024

NONE = Kind(
    "dkim-missing",
    Severity.WARNING,
    "Nobody signs for the domain; large receivers ask for a signature, and forwarded mail has nothing else to show.",
    "Let the host that sends for {domain} last sign (in Microsoft 365: Defender, Email authentication, DKIM), and "
    "publish its keys.",
)
MISSING = Kind(
    "dkim-key-missing",
    Severity.WARNING,
    "Signatures by that key fail, as if somebody had changed the message.",
    "Publish the key at {name}, or take the selector out of doctor.dkim_selectors.",
)
BROKEN = Kind(
    "dkim-key-broken",
    Severity.WARNING,
    "Signatures by that key fail, as if somebody had changed the message.",
    "Publish the key at {name} again, whole, as the host that signs shows it.",
)
KINDS = (NONE, MISSING, BROKEN)


def judge(facts: Facts) -> Iterator[Finding]:
    for domain in facts.online.domains:
        if domain.trouble is None:
            yield from _of(domain)


def _of(domain: DomainFacts) -> Iterator[Finding]:
    if not domain.has_keys:
        yield NONE.found(f"there is no name below _domainkey.{domain.name}", domain=domain.name)
        return
    for selector, texts in domain.keys:
        name = f"{selector}._domainkey.{domain.name}"
        if not texts:
            yield MISSING.found(f"there is no key at {name}", name=name)
        elif problem := _problem(texts):
            yield BROKEN.found(f"the key at {name}: {problem}", name=name)


def _problem(texts: tuple[str, ...]) -> str | None:
    """Say what is wrong with a key record (RFC 6376 §3.6.1)."""
    if len(texts) > 1:
        return f"there are {len(texts)} records, and may be one"
    tags = {
        key.strip(): "".join(value.split())
        for key, _, value in (tag.partition("=") for tag in texts[0].split(";"))
        if key.strip()
    }
    if tags.get("v", "DKIM1") != "DKIM1" or "p" not in tags:
        return "it is no key record; one has v=DKIM1 and p="
    if not tags["p"]:
        return "it is revoked (p= is empty)"
    if tags.get("k", "rsa") != "rsa":
        return None
    try:
        key = load_der_public_key(base64.b64decode(tags["p"], validate=True))
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        return "its p= cannot be read; was it cut off?"
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _BITS_MIN:
        return f"it has {key.key_size} bits, and must have {_BITS_MIN}"
    return None
