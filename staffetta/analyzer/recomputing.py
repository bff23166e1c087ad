"""Signatures of DKIM and ARC computed again from the source (RFC 6376 §6.1, RFC 8617 §5.2).

Canonical fields and the arithmetic are dkimpy's.

Rule 1: nothing is asked here: keys come through a function. No clock is read: how long a signature says that it holds
is told, and not judged.
Rule 2: work is bounded before it begins, whatever the message and the keys are: signatures, fields that they name,
white space, key sizes; dkimpy bounds nothing.
Rule 3: of ARC the newest message signature and all seals are computed. Older message signatures break on the way
where a list changes the message, and the seals say so.
"""

import base64
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dkim  # type: ignore[import-untyped]
from dkim.util import InvalidTagValueList, parse_tag_value  # type: ignore[import-untyped]

from staffetta.analyzer.arc import INSTANCE_MAX
from staffetta.analyzer.signed_body import SignedBody
from staffetta.analyzer.signing_key import KeyUnavailable, Lookup, NoKey, SigningKey, key_of
from staffetta.analyzer.source import Source
from staffetta.analyzer.tags import LENGTH_MAX, instance_of, tags_of, without_blanks
from staffetta.mail.address import AddressError, parse_domain

SIGNATURES_MAX = 10
_NAMED_FIELDS_MAX = 200
_BLANKS = re.compile(rb"[ \t\r\n]{200}")
_SELECTOR = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,190}[A-Za-z0-9])?")
_DKIM, _ARC_SIGNATURE, _SEAL = "DKIM-Signature", "ARC-Message-Signature", "ARC-Seal"
_ARC_NAMES = ("arc-authentication-results", _ARC_SIGNATURE.lower(), _SEAL.lower())
_CHANGED = "a field that it signs was changed, or the key is another one; it signs"
_MANDATORY = {
    _DKIM: [b"v", b"a", b"b", b"bh", b"d", b"h", b"s"],
    _ARC_SIGNATURE: [b"i", b"a", b"b", b"bh", b"d", b"h", b"s"],
    _SEAL: [b"i", b"a", b"b", b"cv", b"d", b"s"],
}


@dataclass(frozen=True, slots=True)
class Computed:
    """One signature, computed again.

    result: pass, fail, permerror or temperror (RFC 8601 §2.7.1). why: in words; notes where it passes, or empty.
    instance: of ARC. key_bits: None where there was no key. reference: what judges it.
    """

    field: str
    domain: str
    selector: str
    algorithm: str
    result: str
    why: str
    reference: str
    instance: int | None = None
    key_bits: int | None = None


@dataclass(frozen=True, slots=True)
class Recomputation:
    """computed: in the order of the fields, seals by instance. chain: of ARC: pass, fail or none; None where unknown.

    left_out: why nothing, or not everything, was computed; for people.
    """

    computed: tuple[Computed, ...] = ()
    chain: str | None = None
    left_out: str | None = None


@dataclass(frozen=True, slots=True)
class _Signature:
    """One to be computed. signed: names, in lower case, in the order of signing. fields: of which they are taken, from
    the last one up."""

    kind: str
    name: bytes
    value: bytes
    fields: Sequence[tuple[bytes, bytes]]
    instance: int | None = None
    signed: Sequence[bytes] | None = None

    @property
    def tags(self) -> dict[str, str]:
        return tags_of(self.value[:LENGTH_MAX].decode("utf-8", "replace"))

    @property
    def key_name(self) -> str | None:
        """Where its key is published; None where it names no such place."""
        tags = self.tags
        try:
            domain = parse_domain(tags.get("d", "").rstrip("."))
        except AddressError:
            return None
        selector = tags.get("s", "")
        return f"{selector}._domainkey.{domain}" if _SELECTOR.fullmatch(selector) else None


class _Wrong(Exception):
    """It does not pass."""

    def __init__(self, result: str, why: str, reference: str) -> None:
        super().__init__(why)
        self.result, self.why, self.reference = result, why, reference


def key_names(source: Source) -> tuple[str, ...]:
    """Return the names whose TXT records `recompute` will ask for, each once; a bounded number."""
    names = (signature.key_name for signature in (*_dkim_signatures(source), *_arc_signatures(source)))
    return tuple(dict.fromkeys(name for name in names if name))


def recompute(source: Source, lookup: Lookup) -> Recomputation:
    """Return what the signatures of a message are worth now. Raises nothing that `lookup` does not raise."""
    keys: dict[str, SigningKey | NoKey | KeyUnavailable] = {}

    def key(name: str) -> SigningKey:
        if name not in keys:
            try:
                keys[name] = key_of(name, lookup)
            except (NoKey, KeyUnavailable) as error:
                keys[name] = error
        found = keys[name]
        if isinstance(found, Exception):
            raise found
        return found

    present = sum(1 for name, _ in source.fields if name.lower() == _DKIM.lower().encode())
    left_out = f"only the first {SIGNATURES_MAX} of {present} DKIM signatures" if present > SIGNATURES_MAX else None
    body = SignedBody(source.body)
    ours = [_computed(each, body, key) for each in _dkim_signatures(source)]
    sealed = [_computed(each, body, key) for each in _arc_signatures(source)]
    return Recomputation((*ours, *sealed), _chain(source, sealed), left_out)


def _dkim_signatures(source: Source) -> list[_Signature]:
    found = [(name, value) for name, value in source.fields if name.lower() == _DKIM.lower().encode()]
    return [_Signature(_DKIM, name, value, source.fields) for name, value in found[:SIGNATURES_MAX]]


def _arc_signatures(source: Source) -> list[_Signature]:
    """The newest message signature, then the seals; none where the sets are not whole."""
    sets = _arc_sets(source)
    if not sets:
        return []
    newest = len(sets)
    signatures = [_Signature(_ARC_SIGNATURE, *sets[-1][_ARC_NAMES[1]], source.fields, newest)]
    for number in range(1, newest + 1):
        fields = [(name, *each[name]) for each in sets[:number] for name in _ARC_NAMES][:-1]
        signed = [name.encode() for name, _, _ in fields]
        # Fields are taken from the last one up, so they stand here the other way round.
        standing = [(name, value) for _, name, value in reversed(fields)]
        signatures.append(_Signature(_SEAL, *sets[number - 1][_ARC_NAMES[2]], standing, number, signed))
    return signatures


def _arc_sets(source: Source) -> list[dict[str, tuple[bytes, bytes]]] | None:
    """The sets, the first instance first; empty where there are none, None where they are not whole."""
    sets: dict[int, dict[str, tuple[bytes, bytes]]] = {}
    for name, value in source.fields:
        kind = name.lower().decode("ascii")
        if kind not in _ARC_NAMES:
            continue
        number = instance_of(tags_of(value[:LENGTH_MAX].decode("utf-8", "replace")))
        if number is None or not 0 < number <= INSTANCE_MAX or kind in sets.setdefault(number, {}):
            return None
        sets[number][kind] = (name, value)
    numbers = sorted(sets)
    if numbers != list(range(1, len(sets) + 1)) or any(len(each) != len(_ARC_NAMES) for each in sets.values()):
        return None
    return [sets[number] for number in numbers]


def _chain(source: Source, sealed: Sequence[Computed]) -> str | None:
    """The state of the chain (RFC 8617 §5.2)."""
    sets = _arc_sets(source)
    if sets is None:
        return "fail"
    if not sets:
        return "none"
    for number, each in enumerate(sets, 1):
        claimed = tags_of(each[_ARC_NAMES[2]][1].decode("utf-8", "replace")).get("cv", "").lower()
        if claimed != ("none" if number == 1 else "pass"):
            return "fail"
    results = {each.result for each in sealed}
    if results == {"pass"}:
        return "pass"
    return None if results <= {"pass", "temperror"} else "fail"


def _computed(signature: _Signature, body: SignedBody, key: Callable[[str], SigningKey]) -> Computed:
    tags = signature.tags
    bits: int | None = None
    try:
        parsed, signed = _checked(signature)
        name = signature.key_name
        if name is None:
            raise _Wrong("permerror", "its d and s name no place where a key could be", "RFC 6376 §3.6.2.1")
        try:
            found = key(name)
        except NoKey as error:
            raise _Wrong("permerror", str(error), "RFC 6376 §6.1.2") from None
        except KeyUnavailable as error:
            raise _Wrong("temperror", str(error), "RFC 6376 §6.1.2") from None
        bits = found.bits
        _check_key(parsed, found)
        _verify(signature, parsed, signed, body, found)
        result, why, reference = "pass", "; ".join(_notes(tags, found)), "RFC 6376 §6.1.3"
    except _Wrong as wrong:
        result, why, reference = wrong.result, wrong.why, wrong.reference
    return Computed(
        field=signature.kind,
        domain=tags.get("d", "")[:255],
        selector=tags.get("s", "")[:255],
        algorithm=tags.get("a", "")[:40].lower(),
        result=result,
        why=why,
        reference=reference,
        instance=signature.instance,
        key_bits=bits,
    )


def _checked(signature: _Signature) -> tuple[dict[bytes, bytes], list[bytes]]:
    """Its tags, and the names of the fields that it signs. Raises _Wrong."""
    value = signature.value
    if len(value) > LENGTH_MAX or _BLANKS.search(value):
        raise _Wrong("permerror", "it is longer than what is computed here", "RFC 6376 §3.5")
    is_dkim = signature.kind == _DKIM
    try:
        parsed: dict[bytes, bytes] = parse_tag_value(value)
        timeless = {tag: text for tag, text in parsed.items() if tag not in (b"t", b"x")}
        dkim.validate_signature_fields(timeless, _MANDATORY[signature.kind], not is_dkim)
    except (dkim.DKIMException, InvalidTagValueList, IndexError, ValueError) as error:
        raise _Wrong("permerror", f"it cannot be read: {_told(error)}", "RFC 6376 §6.1.1") from None
    if parsed[b"a"] == b"rsa-sha1":
        raise _Wrong("permerror", "SHA-1 counts for nothing any more", "RFC 8301 §3.1")
    if signature.signed is not None:
        if b"h" in parsed:
            raise _Wrong("permerror", "a seal has no tag h", "RFC 8617 §4.1.3")
        return {**parsed, b"c": b"relaxed/relaxed"}, list(signature.signed)
    signed = [name.strip().lower() for name in parsed[b"h"].split(b":")]
    if len(signed) > _NAMED_FIELDS_MAX:
        raise _Wrong("permerror", "it names more fields than what is computed here", "RFC 6376 §3.5")
    if is_dkim and b"from" not in signed:
        raise _Wrong("permerror", "it does not sign From", "RFC 6376 §6.1.1")
    if not is_dkim and b"arc-seal" in signed:
        raise _Wrong("permerror", "it signs ARC-Seal, which it must not", "RFC 8617 §4.1.2")
    parsed.setdefault(b"c", b"simple/simple" if is_dkim else b"relaxed/relaxed")
    return parsed, signed


def _check_key(parsed: dict[bytes, bytes], key: SigningKey) -> None:
    """Whether this key may make such a signature (RFC 6376 §6.1.2). Raises _Wrong."""
    kind, _, digest = parsed[b"a"].decode("ascii").partition("-")
    if kind != key.kind or (key.hashes is not None and digest not in key.hashes):
        raise _Wrong("permerror", "its key is not for this algorithm", "RFC 6376 §6.1.2")
    identity = parsed.get(b"i", b"").rpartition(b"@")[2].lower()
    if key.is_for_domain_alone and b"@" in parsed.get(b"i", b"") and identity != parsed[b"d"].lower():
        raise _Wrong("permerror", "its key is for the domain alone, and i names one below it", "RFC 6376 §6.1.2")


def _verify(
    signature: _Signature, parsed: dict[bytes, bytes], signed: list[bytes], body: SignedBody, key: SigningKey
) -> None:
    """Raises _Wrong."""
    signer = dkim.DKIM()
    signer.headers = list(signature.fields)
    try:
        if b"bh" in parsed:
            _check_body(parsed, body)
        headers_alone = {tag: text for tag, text in parsed.items() if tag != b"bh"}
        is_right = signer.verify_sig(
            headers_alone, signed, (signature.name, signature.value), lambda name, timeout: key.record
        )
    except (dkim.DKIMException, ValueError) as error:
        raise _Wrong("permerror", f"it cannot be read: {_told(error)}", "RFC 6376 §6.1.1") from None
    if not is_right:
        names = ", ".join(dict.fromkeys(name.decode("ascii", "replace") for name in signed[:20]))
        raise _Wrong("fail", f"{_CHANGED} {names}", "RFC 6376 §6.1.3")


def _check_body(parsed: dict[bytes, bytes], body: SignedBody) -> None:
    """Raises _Wrong, and ValueError for what cannot be read."""
    length = int(parsed[b"l"]) if b"l" in parsed else None
    digest = parsed[b"a"].rpartition(b"-")[2].decode("ascii")
    found = body.hash(digest, is_relaxed=parsed[b"c"].endswith(b"/relaxed"), length=length)
    if found != base64.b64decode(b"".join(parsed[b"bh"].split())):
        raise _Wrong("fail", "the body was changed after it was signed: its hash is another", "RFC 6376 §6.1.3")


def _notes(tags: dict[str, str], key: SigningKey) -> Iterable[str]:
    """What weakens a signature that passes."""
    if length := tags.get("l", ""):
        yield f"only the first {length[:20]} octets of the body are signed"
    if key.is_test:
        yield "the domain only tries DKIM out (t=y)"
    if expiry := _instant(tags.get("x", "")):
        yield f"it says that it holds until {expiry:%Y-%m-%d %H:%M:%S} UTC"


def _instant(seconds: str) -> datetime | None:
    number = without_blanks(seconds)
    if not (number.isascii() and number.isdigit() and len(number) < 12):
        return None
    return datetime.fromtimestamp(int(number), UTC)


def _told(error: Exception) -> str:
    """dkimpy's words, with its bytes as people write them."""
    return re.sub(r"\bb'([^']*)'", r"\1", str(error))[:200]
