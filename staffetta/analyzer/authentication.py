"""Results of SPF, DKIM, DMARC and ARC as others found them (RFC 8601 §2.2, RFC 7208 §9.1, RFC 8617 §4.1).

Rule 1: a result counts only where a host that the reader trusts has written it (RFC 8601 §7.1): anyone can write such a
field. A host is named in the field itself; a field that names none is never trusted.
Rule 2: nothing is looked up or computed here.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from staffetta.analyzer.fields import Field, Section

_LENGTH_MAX = 8192
_RESULTS_MAX = 50
_FIELDS_MAX = 100  # the newest; a chain of ARC has 50 sets at most (RFC 8617 §4.2.1)
_COMMENT = re.compile(r"\([^()]*\)")
_PART = re.compile(r"(?:[^;()\"]|\([^()]*\)|\"[^\"]*\"|[()\"])+")  # up to a semicolon that is no one's comment
_RESULT = re.compile(r"\s*([A-Za-z][A-Za-z0-9_-]{0,40})(?:/\d+)?\s*=\s*([A-Za-z]{1,20})\b")
_PROPERTY = re.compile(r"\b([a-z]{1,20}(?:\.[A-Za-z0-9_-]{1,40})?)=\s*(\"[^\"]*\"|[^\s;]+)")
_INSTANCE = re.compile(r"\s*i\s*=\s*(\d{1,3})\s*;")
_SPF = re.compile(r"\s*([A-Za-z]{1,20})\b")
_SPF_PROPERTY = re.compile(r"\b([a-z]{1,20}(?:-[a-z]{1,20}){0,2})=\s*(\"[^\"]*\"|[^\s;]+)")


@dataclass(frozen=True, slots=True)
class Result:
    """One method's result. properties: as `smtp.mailfrom=contoso.com`, in order. comment: why, as the host says it."""

    method: str
    result: str
    properties: tuple[tuple[str, str], ...] = ()
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one field says.

    field: its name. host: who says so, None where it is not named. instance: of ARC, from 1.
    """

    field: str
    host: str | None
    is_trusted: bool
    results: tuple[Result, ...]
    instance: int | None = None


def verdicts_of(section: Section, trusted_hosts: Sequence[str] = ()) -> tuple[Verdict, ...]:
    """Return what each field says, the newest first.

    trusted_hosts: names as they stand in the fields, such as `mx.contoso.com`; `*.contoso.com` for all below.
    """
    readers = {
        "authentication-results": _authentication_results,
        "arc-authentication-results": _authentication_results,
        "received-spf": _received_spf,
    }
    fields = [field for field in section.fields if field.name.lower() in readers][:_FIELDS_MAX]
    return tuple(readers[field.name.lower()](field, trusted_hosts) for field in fields)


def is_named(host: str | None, trusted_hosts: Iterable[str]) -> bool:
    """Whether a host is among the trusted ones."""
    if host is None:
        return False
    name = host.lower().rstrip(".")
    return any(
        name.endswith(each.lower()[1:]) if each.startswith("*.") else name == each.lower().rstrip(".")
        for each in trusted_hosts
    )


def _authentication_results(field: Field, trusted_hosts: Sequence[str]) -> Verdict:
    text = field.written[:_LENGTH_MAX]
    instance = _INSTANCE.match(text)
    if instance:
        text = text[instance.end() :]
    parts = _PART.findall(text) or [""]
    head = _COMMENT.sub(" ", parts[0]).split()
    is_host = bool(head) and "=" not in parts[0]
    host = head[0] if is_host else None
    results = [result for part in parts[is_host:][:_RESULTS_MAX] if (result := _result(part))]
    trusted = is_named(host, trusted_hosts) and field.name.lower() == "authentication-results"
    return Verdict(field.name, host, trusted, tuple(results), int(instance[1]) if instance else None)


def _result(part: str) -> Result | None:
    comments = [comment[1:-1] for comment in _COMMENT.findall(part)]
    bare = _COMMENT.sub(" ", part)
    match = _RESULT.match(bare)
    if match is None:
        return None
    properties = tuple((name, value.strip('"')) for name, value in _PROPERTY.findall(bare[match.end() :]))
    return Result(match[1].lower(), match[2].lower(), properties, " ".join(comments))


def _received_spf(field: Field, trusted_hosts: Sequence[str]) -> Verdict:
    text = field.written[:_LENGTH_MAX]
    bare = _COMMENT.sub(" ", text)
    match = _SPF.match(bare)
    properties = tuple((name, value.strip('"')) for name, value in _SPF_PROPERTY.findall(bare))
    host = dict(properties).get("receiver")
    comment = " ".join(comment[1:-1] for comment in _COMMENT.findall(text))
    results = (Result("spf", match[1].lower(), properties, comment),) if match else ()
    return Verdict(field.name, host, is_named(host, trusted_hosts), results)
