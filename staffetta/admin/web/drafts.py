"""What a wizard has been told so far: on the server, per visitor, in memory alone (docs/decisions/098).

Rule 1: nothing is made before the last step, so that a draft that is forgotten leaves nothing behind.
Rule 2: a draft is its visitor's; nobody else's cookie finds it.
"""

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import Request

from staffetta.admin.web.visit import visit_of

_DRAFTS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Edited:
    """An object as it was when its draft began. identity: its name. stood: parameters that would make it so.

    version: tells whether somebody else has changed it since.
    """

    identity: str
    stood: Mapping[str, object]
    version: str


@dataclass
class Draft:
    """key: in addresses. values: by field; a list has one text a line. made: where what came of it is shown.

    edited: what is changed; None where something is made.
    """

    key: str
    values: dict[str, str] = field(default_factory=dict)
    made: str = ""
    edited: Edited | None = None

    def is_on(self, name: str) -> bool:
        """Whether a tick is set."""
        return self.values.get(name) == "true"

    def lines(self, name: str) -> list[str]:
        """Return a list, without what stands twice."""
        return list(dict.fromkeys(line.strip() for line in self.values.get(name, "").split("\n") if line.strip()))


def new_draft(request: Request, values: Mapping[str, str]) -> Draft:
    """Begin one; of too many the oldest is forgotten."""
    draft = Draft(secrets.token_urlsafe(9), dict(values))
    drafts = _drafts(request)
    drafts[_place(request, draft.key)] = draft
    while len(drafts) > _DRAFTS_MAX:
        drafts.popitem(last=False)
    return draft


def draft_of(request: Request) -> Draft | None:
    """Return the one that the address names; None where it is forgotten."""
    drafts, place = _drafts(request), _place(request, request.path_params["draft"])
    if place in drafts:
        drafts.move_to_end(place)
    return drafts.get(place)


def _drafts(request: Request) -> "OrderedDict[str, Draft]":
    drafts: OrderedDict[str, Draft] = visit_of(request).console.memory.drafts
    return drafts


def _place(request: Request, key: str) -> str:
    return f"{visit_of(request).key} {key}"
