"""Where each operation stands in the REST interface: method and path follow from verb, noun and parameters alone.

`Get-AcceptedDomain` is `GET /api/accepted-domains` and `GET /api/accepted-domains/{identity}`; New is POST, Set is
PATCH, Remove is DELETE; every other verb is `POST …/{identity}/verb`. What is there once has no `s` and no identity;
what need not name its object, since it chooses by what objects are like, stands without the identity as well.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from staffetta.operations.binding import Parameter
from staffetta.operations.registry import Operation

PREFIX = "/api"
FIRST_ADMINISTRATOR = f"{PREFIX}/first-administrator"
INVOKE_COMMAND = "/adminapi/beta/{tenant}/InvokeCommand"


@dataclass(frozen=True, slots=True)
class Place:
    """One way to call an operation.

    path: with `{identity}` where an object is named. identity: the parameter that takes it. in_query, in_body: the
    other parameters. is_list: whether the answer is a list of rows, and not the one row that was named or made.
    """

    operation: Operation
    method: str
    path: str
    identity: Parameter | None
    in_query: tuple[Parameter, ...]
    in_body: tuple[Parameter, ...]
    is_list: bool = False

    @property
    def status(self) -> int:
        """Of success."""
        return 201 if self.operation.verb == "New" else 200


def places(operations: Sequence[Operation]) -> Sequence[Place]:
    """Return every way to call every operation; paths with a verb first, since an identity may hold slashes."""
    listed = {each.noun for each in operations for parameter in each.parameters if parameter.field == "identity"}
    found = [place for each in operations for place in _places(each, is_plural=each.noun in listed)]
    return sorted(found, key=lambda place: place.path.endswith("{identity}"))


def _places(operation: Operation, *, is_plural: bool) -> Iterator[Place]:
    noun = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", operation.noun).lower()
    root = f"{PREFIX}/{noun}s" if is_plural else f"{PREFIX}/{noun}"
    identity = next((each for each in operation.parameters if each.field == "identity"), None)
    others = tuple(each for each in operation.parameters if each is not identity)
    one = f"{root}/{{identity}}" if identity else root
    match operation.verb:
        case "Test" if identity is not None:  # what tests one object takes secrets, which do not belong into a path
            if not identity.is_required:
                yield Place(operation, "POST", f"{root}/test", None, (), others, is_list=True)
            yield Place(operation, "POST", f"{one}/test", identity, (), others, is_list=True)
        case "Get" | "Search" | "Test":
            if identity is None or not identity.is_required:
                yield Place(operation, "GET", root, None, others, (), is_list=True)
            if identity is not None:
                yield Place(operation, "GET", one, identity, others, (), is_list=not is_single(operation))
        case "New":
            yield Place(operation, "POST", one, identity, (), others)
        case "Set":
            yield Place(operation, "PATCH", one, identity, (), others)
        case "Remove":
            if identity is not None and not identity.is_required:
                yield Place(operation, "DELETE", root, None, others, (), is_list=True)
            yield Place(operation, "DELETE", one, identity, others, ())
        case verb:
            if identity is not None and not identity.is_required:
                yield Place(operation, "POST", f"{root}/{verb.lower()}", None, (), others, is_list=True)
            yield Place(operation, "POST", f"{one}/{verb.lower()}", identity, (), others, is_list=True)


def is_single(operation: Operation) -> bool:
    """Whether an identity names one row; members of a group are many."""
    return any(each.field == "identity" and not each.is_required for each in operation.parameters)
