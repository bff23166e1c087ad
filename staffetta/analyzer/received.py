"""One Received field, of anyone's making (RFC 5321 §4.4; the forms of Exchange, Postfix, Exim, Sendmail and qmail).

Rule 1: a clause begins at its keyword outside of comments and quoted strings; the first of a name counts.
Rule 2: the date stands after the last semicolon; where there is none, it is looked for.
Rule 3: only the first LENGTH_MAX characters are looked at, and the end, for the date.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

from staffetta.analyzer.dates import Instant, parse

LENGTH_MAX = 4096
_DATE_LENGTH_MAX = 200
_SIGNS = re.compile(
    r'\\.|\(+|\)+|["]|(?<![^\s();])(?:from|by|via|with|id|for|tls)(?![^\s();])', re.IGNORECASE | re.DOTALL
)
_DATE_WITHOUT_SEMICOLON = re.compile(
    r"\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? |\d{4}-\d\d-\d\d[ T]|\d{1,2} [A-Z][a-z]{2} \d{4} )"
)
_ADDRESS = re.compile(
    r"(?:IPv6:)?((?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:\.\d{1,3}){0,3})"
)
_HELO = re.compile(r"\b(?:helo|ehlo)[= ]([^\s)(]{1,255})", re.IGNORECASE)
_REVERSE_NAME = re.compile(r"([A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}))\.? ?\[")
_TLS_VERSION = re.compile(r"\b(TLS|SSL)[ _]?v?(\d)(?:[._](\d))?(?![\d])", re.IGNORECASE)
_CIPHER = re.compile(
    r"cipher[= ]\"?([A-Za-z0-9_-]{3,80})|\bTLSv?\d(?:[._]\d)?[:,]\s?([A-Z][A-Za-z0-9_-]{5,80})"
    r"|(?:^|\()([A-Z0-9-]{5,40}) encrypted"
)
_ENCRYPTED = re.compile(r"(?:E?SMTP|LMTP|UTF8SMTP|UTF8LMTP)SA?", re.IGNORECASE)
_AUTHENTICATED = re.compile(r"(?:E?SMTP|LMTP|UTF8SMTP|UTF8LMTP)S?A|.*\bAuthenticated sender\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Tls:
    """What a hop says of its TLS. version: as `TLSv1.3`, cipher: as written; each None where it is not told."""

    version: str | None = None
    cipher: str | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """What one field says; None where it says nothing.

    source: the whole value. from_name: what the client called itself. from_reverse_name: the name that its address had.
    from_comment, by_comment: what stands in parentheses behind the name. with_protocol: without comments.
    tls: None where nothing tells of TLS. date_text: as written. at: in UTC.
    """

    source: str
    from_name: str | None = None
    from_reverse_name: str | None = None
    from_address: str | None = None
    from_comment: str | None = None
    by_name: str | None = None
    by_comment: str | None = None
    with_protocol: str | None = None
    via: str | None = None
    id: str | None = None
    for_address: str | None = None
    tls: Tls | None = None
    is_authenticated: bool = False
    date_text: str = ""
    at: datetime | None = None
    is_zone_assumed: bool = False


@dataclass(slots=True)
class _Clause:
    """text: outside of comments; comment: within."""

    text: str = ""
    comment: str = ""


def read_received(value: str) -> Received:
    """Return what a field says. value: unfolded. Raises nothing."""
    body, date_text, instant = _date_apart(value)
    clauses = _clauses(body[:LENGTH_MAX])
    outside = clauses.get("", _Clause())
    came_from, came_by = clauses.get("from", _Clause()), clauses.get("by", _Clause())
    protocol = clauses.get("with", _Clause())
    secured = " ".join((protocol.comment, protocol.text, came_from.comment, came_by.comment))
    for place in ("id", "for"):  # where Sendmail has it, and Google
        if place in clauses:
            secured += f" {clauses[place].comment}"
    helo = _HELO.search(came_from.comment)
    reverse = _REVERSE_NAME.search(came_from.comment)
    return Received(
        source=value,
        from_name=helo[1] if helo else came_from.text or None,
        from_reverse_name=reverse[1] if reverse and reverse[1].lower() != "unknown" else None,
        from_address=_address(came_from.comment) or _address(came_from.text),
        from_comment=came_from.comment or None,
        by_name=came_by.text or None,
        by_comment=came_by.comment or outside.comment or None,
        with_protocol=protocol.text or None,
        via=clauses["via"].text or None if "via" in clauses else None,
        id=clauses["id"].text or None if "id" in clauses else None,
        for_address=_addressee(clauses["for"].text) if "for" in clauses else None,
        tls=_tls(secured, protocol.text, clauses["tls"].text if "tls" in clauses else None),
        is_authenticated=bool(_AUTHENTICATED.match(protocol.text) or _AUTHENTICATED.match(came_from.comment)),
        date_text=date_text,
        at=instant.at if instant else None,
        is_zone_assumed=bool(instant and instant.is_zone_assumed),
    )


def _date_apart(value: str) -> tuple[str, str, Instant | None]:
    """What stands before the date, the date as written, and what it means."""
    body, semicolon, date_text = value.rpartition(";")
    if semicolon:
        instant = parse(date_text)
        if instant or not date_text.strip():
            return body, date_text.strip(), instant
    tail = max(0, len(value) - _DATE_LENGTH_MAX)
    for match in _DATE_WITHOUT_SEMICOLON.finditer(value, tail):
        if instant := parse(value[match.start() :]):
            return value[: match.start()].rstrip("; "), value[match.start() :], instant
    return (body, date_text.strip(), None) if semicolon else (value, "", None)


def _clauses(body: str) -> dict[str, _Clause]:
    """Clauses by keyword in lower case; what stands before the first is under ''."""
    clauses = {"": _Clause()}
    clause = clauses[""]
    for keyword, text, comment in _pieces(body):
        if keyword is not None:
            clause = _Clause()
            clauses.setdefault(keyword, clause)
        elif text:
            clause.text = f"{clause.text} {text}".strip()
        elif comment:
            clause.comment = f"{clause.comment} {comment}".strip()
    return clauses


def _pieces(body: str) -> Iterator[tuple[str | None, str, str]]:
    """Yield each as (keyword, "", ""), (None, text, "") or (None, "", comment), in order."""
    depth, start, is_quoted = 0, 0, False
    for sign in _SIGNS.finditer(body):
        kind = sign[0][0]
        if kind == "\\":
            continue
        if kind == '"':
            is_quoted = not is_quoted and depth == 0
        elif is_quoted:
            continue
        elif kind == "(":
            if depth == 0:
                yield None, body[start : sign.start()].strip(), ""
                start = sign.start() + 1
            depth += len(sign[0])
        elif kind == ")":
            was, depth = depth, max(0, depth - len(sign[0]))
            if was and depth == 0:
                yield None, "", body[start : sign.start() + was - 1].strip()
                start = sign.end()
        elif depth == 0:
            yield None, body[start : sign.start()].strip(), ""
            yield sign[0].lower(), "", ""
            start = sign.end()
    rest = body[start:].strip()
    yield (None, "", rest) if depth else (None, rest, "")


def _address(text: str) -> str | None:
    for match in _ADDRESS.finditer(text):
        try:
            return str(ip_address(match[1]))
        except ValueError:
            continue
    return None


def _addressee(text: str) -> str | None:
    return text.strip().removeprefix("<").removesuffix(">") or None


def _tls(text: str, protocol: str, clause: str | None) -> Tls | None:
    """clause: of the keyword `tls`, which names the cipher (RFC 8314 §4.3)."""
    version, cipher = _TLS_VERSION.search(text), _CIPHER.search(text)
    if version or cipher or clause:
        named = f"{version[1].upper()}v{version[2]}" + (f".{version[3]}" if version[3] else "") if version else None
        return Tls(named, clause or (next(filter(None, cipher.groups()), None) if cipher else None))
    words = protocol.split()
    is_encrypted = bool(words and _ENCRYPTED.fullmatch(words[0])) or text.split()[:1] == ["TLS"]
    return Tls() if is_encrypted else None
