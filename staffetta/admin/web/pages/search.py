"""Search over everything that has a name: pages, objects, settings. Mail is searched in the message trace.

Rule: objects are those that the visitor may list, by the same operations; each kind shows a few, and leads to its list.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.web.forms import subject_of
from staffetta.admin.web.guard import Page
from staffetta.admin.web.menu import Entry, entries, menu_of
from staffetta.admin.web.page import carry_out, may, render
from staffetta.admin.web.values import as_text, properties
from staffetta.admin.web.visit import caller_of, visit_of
from staffetta.operations.errors import OperationError
from staffetta.settings.documents import declared_keys

SHOWN_MAX = 5
_WORDS_MAX = 10
_LISTED = (
    *("/connectors", "/outbound-connectors", "/accepted-domains", "/roads", "/route-rules", "/accounts"),
    *("/people", "/role-groups", "/tokens", "/organizations", "/queues"),
)
"""Pages of objects that people gave names to; each is read whole, so no page of mail is among them."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that was found."""

    name: str
    about: str
    address: str


@dataclass(frozen=True, slots=True)
class Hits:
    """Those of a kind. more: how many there are besides; address: of the list that shows them all."""

    label: str
    hits: Sequence[Hit]
    more: int = 0
    address: str = ""


async def search(request: Request) -> Response:
    """The page; without words it says what can be searched."""
    _ = visit_of(request).language
    typed = request.query_params.get("q", "").strip()[:200]
    words = typed.casefold().split()[:_WORDS_MAX]
    found: list[Hits] = []
    if words:
        found = [_pages(request, words), *[await _objects(request, entry, words, typed) for entry in _listed(request)]]
        found.append(_settings(request, words))
    return await render(
        request, "search.html", title=_("Search"), typed=typed, found=[each for each in found if each.hits]
    )


def _listed(request: Request) -> Sequence[Entry]:
    return [entry for entry in entries() if entry.path in _LISTED and may(request, entry.cmdlet)]


def _pages(request: Request, words: Sequence[str]) -> Hits:
    _ = visit_of(request).language
    hits = [
        Hit(_(entry.label), _(entry.about), entry.path)
        for group in menu_of(caller_of(request))
        for entry in group.entries
        if _has(words, _(entry.label), entry.label, _(entry.about), entry.cmdlet)
    ]
    return Hits(_("Pages"), hits)


async def _objects(request: Request, entry: Entry, words: Sequence[str], typed: str) -> Hits:
    _ = visit_of(request).language
    operation = entry.operation
    subject = subject_of(operation) if operation else None
    if operation is None or subject is None:
        return Hits("", ())
    try:
        rows = [properties(row) for row in (await carry_out(request, operation.name)).rows]
    except OperationError:
        return Hits("", ())
    found = [row for row in rows if row.get(subject.name) and _has(words, *map(as_text, row.values()))]
    hits = []
    for row in found[:SHOWN_MAX]:
        name = str(row.get("Name") or row[subject.name])
        about = str(row.get("Comment") or "")[:120]
        hits.append(Hit(name, about, f"{entry.path}?{urlencode({'show': str(row[subject.name])})}"))
    return Hits(_(entry.label), hits, len(found) - len(hits), f"{entry.path}?{urlencode({'q': typed})}")


def _settings(request: Request, words: Sequence[str]) -> Hits:
    _ = visit_of(request).language
    if not may(request, "Get-TransportConfig"):
        return Hits("", ())
    found = [(key, about) for key, about in declared_keys() if _has(words, key, key.replace("_", " "), about)]
    hits = [Hit(key, about, f"/settings?{urlencode({'q': key})}") for key, about in found[: SHOWN_MAX * 2]]
    return Hits(_("Settings"), hits, len(found) - len(hits))


def _has(words: Sequence[str], *texts: str) -> bool:
    whole = " ".join(texts).casefold()
    return all(word in whole for word in words)


PAGES = (Page("/search", search),)
