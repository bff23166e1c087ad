"""The dictionary of codes: what a refusal means in plain words, what mends it, who can, and whether waiting helps.

It knows replies of SMTP, of Exchange Online above all, errors of token endpoints and of Graph, and what we say. The
entries are in code_entries/; docs/codes.md is generated from them.

Rule 1: an error's own code (`AADSTS7000215`, `ErrorSendAsDenied`) goes before a reply's enhanced code, and of several
entries for one enhanced code the first whose words are in the text.
Rule 2: what is not known is not guessed at: then there is no entry.
"""

import re
from functools import cache

from staffetta.mail.code_entries import entra, exchange, general, graph
from staffetta.mail.code_entries.entry import Entry, Whose

__all__ = ["Entry", "Whose", "entries", "explain", "sentence"]

_REPLY = re.compile(r"^\s*(?P<code>[2-5]\d\d)[ -](?:#?(?P<enhanced>[245]\.\d{1,3}\.\d{1,3})\b)?")
_ERROR_CODE = re.compile(r"\b(?:AADSTS\d+|[A-Z][A-Za-z0-9]*(?:_[A-Z][A-Za-z]+)*|[a-z]+(?:_[a-z]+)+)\b")
_SEARCHED_CHARACTERS = 2000  # of a text that somebody else wrote


def entries() -> tuple[Entry, ...]:
    """Return the whole dictionary: token endpoints, Graph, Exchange's replies, replies of all servers."""
    return (*entra.ENTRIES, *graph.ENTRIES, *exchange.ENTRIES, *general.ENTRIES)


def explain(text: str) -> Entry | None:
    """Return what a reply, or a diagnostic of ours, means; None where it is not known.

    text: `550 5.7.64 TenantAttribution; …`, lines joined by a space, or words that hold an error's code.
    """
    text = text[:_SEARCHED_CHARACTERS]
    reply = _REPLY.match(text)
    if reply is None:
        known = [code for code in _ERROR_CODE.findall(text) if code in _by_error_code()]
        known.sort(key=lambda code: not code.startswith("AADSTS"))  # more exact than OAuth's word beside it
        return _by_error_code()[known[0]] if known else None
    lower = text.lower()
    for entry in _by_enhanced_code().get(reply["enhanced"] or "", ()):
        if entry.words.lower() in lower:
            return entry
    return next((entry for entry in _worded() if entry.words.lower() in lower), None)


def sentence(text: str) -> str | None:
    """Return the cause in one sentence, for who sent the message; None where it is not known."""
    found = explain(text)
    return found.cause if found else None


@cache
def _by_error_code() -> dict[str, Entry]:
    return {code: entry for entry in entries() for code in entry.codes if not code[0].isdigit()}


@cache
def _by_enhanced_code() -> dict[str, tuple[Entry, ...]]:
    found: dict[str, list[Entry]] = {}
    for entry in entries():
        for code in entry.codes:
            if code[0].isdigit():
                found.setdefault(code, []).append(entry)
    return {code: tuple(known) for code, known in found.items()}


@cache
def _worded() -> tuple[Entry, ...]:
    """Entries that are known by their words alone, for replies without an enhanced code, or with a vague one."""
    return tuple(entry for entry in entries() if not entry.codes)
