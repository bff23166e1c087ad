"""Pages made of the registry alone: the list of a noun with its details, and a form for every other operation on it.

Rule: a page of its own for an entry of the menu is listed before these in site.py; what it leaves out stays here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.problems import status_of
from staffetta.admin.web.commands import command_of, is_secret
from staffetta.admin.web.forms import (
    LONG,
    fields_of,
    given_by,
    new_once,
    once,
    sent,
    standing,
    subject_of,
    version_of,
)
from staffetta.admin.web.guard import Page
from staffetta.admin.web.languages import N_
from staffetta.admin.web.menu import Entry
from staffetta.admin.web.page import advice, carry_out, foreseen, may, redirect, render, say
from staffetta.admin.web.values import as_text, properties, sorted_by, words
from staffetta.admin.web.visit import queried, visit_of
from staffetta.operations.errors import NotFound, OperationError, RoleMissing, Unavailable
from staffetta.operations.registry import Operation, Output, Parameter, operations
from staffetta.settings.objects import outside_name

ROWS_ON_A_PAGE = 50
IDENTITIES_MAX = 200
_FORESEEN_MAX = 20  # of the objects chosen, for how many it is told beforehand what would be done
_VERBS = {
    "New": N_("Add"),
    "Set": N_("Edit"),
    "Remove": N_("Remove"),
    "Retry": N_("Try now"),
    "Suspend": N_("Suspend"),
    "Resume": N_("Resume"),
    "Validate": N_("Validate"),
    "Redirect": N_("Send another way"),
    "Restore": N_("Queue failed recipients again"),
    "Complete": N_("Take as delivered"),
    "Add": N_("Add"),
    "Enable": N_("Turn on"),
    "Disable": N_("Turn off"),
    "Test": N_("Test"),
}
_ASKS = ("Get", "Search", "Test", "Export")
_RELATED = {
    "SmtpAccount": ("SmtpAccountPassword",),
    "RoleGroup": ("RoleGroupMember",),
    "Organization": ("OrganizationConfig",),
}


@dataclass(frozen=True, slots=True)
class Action:
    """What can be done on a page. is_plain: it needs nothing but the names of objects, so it is offered for many."""

    cmdlet: str
    label: str
    path: str
    is_plain: bool = False


def pages_of(entry: Entry) -> Sequence[Page]:
    """Return the generic pages of an entry; none where there is no such operation, and none of Home."""
    operation = entry.operation
    if operation is None or entry.path == "/":
        return ()
    noun = _Noun(entry, operation)
    handler = noun.ask if noun.is_question else noun.show_list
    return (
        Page(entry.path, handler, ("GET", "POST") if noun.is_question else ("GET",)),
        Page(f"{entry.path}/do/{{cmdlet}}", noun.do, ("GET", "POST")),
    )


@dataclass(frozen=True, slots=True)
class _Noun:
    entry: Entry
    operation: Operation

    @property
    def is_question(self) -> bool:
        """Whether nothing is shown before something is asked."""
        return self.operation.is_change or any(
            each.is_required or each.name in LONG for each in self.operation.parameters
        )

    # The list.

    async def show_list(self, request: Request) -> Response:
        _ = visit_of(request).language
        subject = subject_of(self.operation)
        filters = [each for each in self.operation.parameters if each != subject]
        values = {each.name: request.query_params.get(each.name, "") for each in filters}
        given = {name: value for name, value in given_by(filters, values, {}).items() if value is not None}
        rows: list[Mapping[str, Any]] = []
        warnings: tuple[str, ...] = ()
        errors: dict[str, str] = {}
        try:
            result = await carry_out(request, self.operation.name, given)
            rows, warnings = [properties(row) for row in result.rows], result.warnings
        except (RoleMissing, Unavailable):
            raise
        except OperationError as error:
            errors[error.parameter or ""] = str(error)
        key = self._key(subject, rows)
        shown = [{**row, "_key": str(row[key]) if key else f"row-{number}"} for number, row in enumerate(rows)]
        open_row = next((row for row in shown if row["_key"] == request.query_params.get("show")), None)
        listing = listed(shown, [outside_name(each) for each in self.operation.columns], queried(request))
        one, many = self._actions(request)
        return await render(
            request,
            "generic/list.html",
            title=_(self.entry.label),
            status=422 if errors else 200,
            command=command_of(self.operation, given),
            entry=self.entry,
            listing=listing,
            warnings=warnings,
            filters=fields_of(filters, values, errors),
            error=errors.get("", ""),
            open_row=open_row,
            open_command=command_of(self.operation, {subject.name: open_row["_key"]}) if subject and open_row else None,
            has_keys=key is not None,
            page_actions=many,
            choices=self._choices(request, values),
            row_actions=one,
        )

    def _choices(self, request: Request, values: Mapping[str, str]) -> Sequence[Action]:
        """What can be done about all that the list's filters leave, with the filters filled in."""
        _ = visit_of(request).language
        filled = urlencode({name: value for name, value in values.items() if value})
        return [
            Action(each.name, _(_VERBS.get(each.verb, each.verb)), f"{self.entry.path}/do/{each.name}?{filled}")
            for each in self._operations()
            if each.verb not in _ASKS and _chooses(each) and may(request, each.name)
        ]

    def _key(self, subject: Parameter | None, rows: Sequence[Mapping[str, Any]]) -> str | None:
        wanted = subject.name if subject else "Identity"
        return wanted if rows and all(row.get(wanted) for row in rows) else None

    def _actions(self, request: Request) -> tuple[Sequence[Action], Sequence[Action]]:
        """Those on a row, and those on the page."""
        _ = visit_of(request).language
        one: list[Action] = []
        many: list[Action] = []
        for operation in self._operations():
            if operation.verb in _ASKS or not may(request, operation.name):
                continue
            label = _(_VERBS.get(operation.verb, operation.verb))
            if operation.noun != self.operation.noun:
                label = f"{label}: {_(words(operation.noun))}"
            others = [each for each in operation.parameters if each != subject_of(operation)]
            is_plain = operation.verb != "Set" and not any(each.is_required for each in others)
            action = Action(operation.name, label, f"{self.entry.path}/do/{operation.name}", is_plain)
            (one if subject_of(operation) else many).append(action)
        return one, many

    def _operations(self) -> Sequence[Operation]:
        nouns = (self.operation.noun, *_RELATED.get(self.operation.noun, ()))
        return [each for each in operations() if each.noun in nouns]

    # A question.

    async def ask(self, request: Request) -> Response:
        if not may(request, self.operation.name):
            await carry_out(request, self.operation.name)  # which says what is missing
        parameters = self.operation.parameters
        fields = fields_of(parameters, {})
        is_posted = self.operation.is_change or any(each.kind in ("long", "secret") for each in fields)
        is_asked = request.method == "POST"
        if not is_posted:  # what has an effect is never done by following a link
            is_asked = is_asked or any(each.name in request.query_params for each in parameters)
        values = standing(parameters)
        rows: Sequence[Output] = ()
        warnings: tuple[str, ...] = ()
        given: dict[str, object] = {}
        errors: dict[str, str] = {}
        if is_asked:
            values = await _asked(request, parameters)
            given = {name: value for name, value in given_by(parameters, values, standing(parameters)).items() if value}
            try:
                result = await carry_out(request, self.operation.name, given)
                rows, warnings = result.rows, result.warnings
            except (RoleMissing, Unavailable):
                raise
            except OperationError as error:
                errors[error.parameter or ""] = str(error)
        return await render(
            request,
            "generic/ask.html",
            title=visit_of(request).language(self.entry.label),
            status=422 if errors else 200,
            command=command_of(self.operation, given),
            entry=self.entry,
            fields=fields_of(parameters, values, errors),
            error=_general(parameters, errors),
            is_posted=is_posted,
            is_asked=is_asked and not errors,
            warnings=warnings,
            columns=[outside_name(each) for each in self.operation.columns],
            rows=[properties(row) for row in rows],
        )

    # Doing something.

    async def do(self, request: Request) -> Response:
        operation = next((each for each in self._operations() if each.name == request.path_params["cmdlet"]), None)
        if operation is None or operation.verb in _ASKS:
            raise HTTPException(404, visit_of(request).language("There is no such action."))
        if not may(request, operation.name):
            await carry_out(request, operation.name)  # which says what is missing
        form = await request.form() if request.method == "POST" else None
        subject = subject_of(operation)
        source = form.getlist("id") if form else request.query_params.getlist("id")
        ids = [str(each) for each in source[:IDENTITIES_MAX]] if subject else []
        if subject and not ids and not _chooses(operation):
            say(request, visit_of(request).language("Choose something in the list first."), is_error=True)
            return redirect(self.entry.path)
        deed = _Deed(self, operation, subject, ids, await self._present(request, operation, ids))
        if form is None:
            return await deed.show(request, {**deed.stood, **_filled_in(request, deed)})
        values = sent(deed.parameters, form)
        if form.get("step") == "command":
            return await deed.show(request, values, is_command_asked=True)
        if deed.is_choice and form.get("foreseen") != version_of(values):
            return await deed.show(request, values)
        if deed.present is not None and form.get("version") != version_of(deed.stood):
            return await deed.conflict(request, values)
        return await once(request, form, lambda: deed.carry_out(request, values))

    async def _present(self, request: Request, operation: Operation, ids: Sequence[str]) -> Mapping[str, Any] | None:
        """What a change starts from; None where it is no change of one object. Raises NotFound."""
        if operation.verb != "Set":
            return None
        subject = subject_of(operation)
        reader = f"Get-{operation.noun}"
        result = await carry_out(request, reader, {subject.name: ids[0]} if subject else {})
        if not result.rows:
            raise NotFound(f"There is no '{ids[0]}'." if ids else f"{reader} shows nothing.")
        return properties(result.rows[0])


@dataclass(frozen=True, slots=True)
class _Deed:
    """An operation on objects. present: what a change starts from."""

    noun: _Noun
    operation: Operation
    subject: Parameter | None
    ids: Sequence[str]
    present: Mapping[str, Any] | None

    @property
    def parameters(self) -> Sequence[Parameter]:
        """Those that the form asks for."""
        return [each for each in self.operation.parameters if each != self.subject]

    @property
    def is_choice(self) -> bool:
        """Whether it is about all that its parameters choose; then nothing is done that was not foreseen so."""
        return not self.ids and _chooses(self.operation)

    @property
    def stood(self) -> dict[str, str]:
        return standing(self.parameters, self.present)

    def named(self, identity: str | None, given: Mapping[str, object]) -> dict[str, object]:
        return {self.subject.name: identity, **given} if self.subject and identity is not None else dict(given)

    async def show(
        self,
        request: Request,
        values: Mapping[str, str],
        *,
        is_command_asked: bool = False,
        error: OperationError | None = None,
    ) -> Response:
        """The form, with what would be done."""
        _ = visit_of(request).language
        given = given_by(self.parameters, values, self.stood)
        told: Mapping[str, Sequence[str]] = {}
        if error is None:
            try:
                told = await self._foreseen(request, given)
            except OperationError as trouble:
                error = trouble
        errors = {error.parameter or "": str(error)} if error else {}
        verb = _(_VERBS.get(self.operation.verb, self.operation.verb))
        what = _(self.noun.entry.label) if self.operation.noun == self.noun.operation.noun else ""
        first = self.ids[0] if self.ids else None
        return await render(
            request,
            "generic/do.html",
            title=f"{verb}: {', '.join(self.ids) if len(self.ids) == 1 else what or _(words(self.operation.noun))}",
            status=status_of(error) if isinstance(error, Unavailable) else 422 if error else 200,
            command=None,
            asked_command=command_of(self.operation, self.named(first, given)) if is_command_asked else None,
            entry=self.noun.entry,
            operation=self.operation,
            verb=verb,
            ids=self.ids,
            fields=fields_of(self.parameters, values, errors),
            error=_general(self.parameters, errors),
            version=version_of(self.stood) if self.present is not None else "",
            foreseen=told,
            foreseen_values=version_of(values) if self.is_choice and told else "",
            is_choice=self.is_choice,
            once=new_once(),
        )

    async def _foreseen(self, request: Request, given: Mapping[str, object]) -> Mapping[str, Sequence[str]]:
        """Return what the operation says it would do, by object; nothing while something it needs is not given.

        Under no name what it would do about all that is chosen; raises OperationError where that cannot be chosen.
        """
        found: dict[str, Sequence[str]] = {}
        if self.operation.preview is None or any(
            each.is_required and not given.get(each.name) for each in self.parameters
        ):
            return found
        if self.is_choice and given:
            result = await carry_out(request, self.operation.name, given, only_ask=True)
            return {"": [*foreseen(result), *advice(result)]}
        for identity in self.ids[:_FORESEEN_MAX]:
            try:
                result = await carry_out(request, self.operation.name, self.named(identity, given), only_ask=True)
            except OperationError as error:
                found[identity] = (str(error),)
            else:
                found[identity] = [*foreseen(result), *advice(result)]
        return found

    async def conflict(self, request: Request, values: Mapping[str, str]) -> Response:
        """Somebody else changed the object since the form was made."""
        return await render(
            request,
            "generic/conflict.html",
            title=visit_of(request).language("Somebody else changed this meanwhile"),
            status=409,
            entry=self.noun.entry,
            ids=self.ids,
            differences=[
                (visit_of(request).language(words(each.name)), values[each.name], self.stood[each.name])
                for each in self.parameters
                if values[each.name] != self.stood[each.name] and each.name in self.stood
            ],
            values=values,
            version=version_of(self.stood),
        )

    async def carry_out(self, request: Request, values: Mapping[str, str]) -> Response:
        _ = visit_of(request).language
        given = given_by(self.parameters, values, self.stood)
        if self.operation.verb == "Set" and not given:
            say(request, _("Nothing was changed."))
            return self._after()
        for identity in self.ids or (None,):
            name = identity or ""
            try:
                result = await carry_out(request, self.operation.name, self.named(identity, given))
            except OperationError as error:
                if len(self.ids) <= 1:
                    return await self.show(request, values, error=error)
                say(request, f"{name}: {error}", is_error=True)
            else:
                say(request, " ".join(filter(None, (_("Done:"), self.operation.name, name))), result)
        return self._after()

    def _after(self) -> Response:
        is_there = len(self.ids) == 1 and self.operation.verb != "Remove"
        return redirect(self.noun.entry.path, show=self.ids[0] if is_there else None)


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of a list. total: rows that the filter leaves. query: what the address says, for links that keep it."""

    columns: Sequence[str]
    rows: Sequence[Mapping[str, Any]]
    total: int
    number: int
    pages: int
    query: Mapping[str, str]

    def link(self, **changed: object) -> str:
        """Return the query of the same list, changed; None takes a name out."""
        query: dict[str, object] = {**self.query, **changed}
        return "?" + urlencode({name: value for name, value in query.items() if value not in (None, "")})


def listed(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], query: Mapping[str, str]) -> Listing:
    """Return the page of rows that a query asks for by q (words), sort (a column, or -column for down) and page."""
    wanted = query.get("q", "").casefold().split()
    left = [row for row in rows if all(word in _searched(row) for word in wanted)]
    column = query.get("sort", "")
    if column.removeprefix("-") in columns:
        left = sorted_by(left, column.removeprefix("-"), is_down=column.startswith("-"))
    pages = max(1, -(-len(left) // ROWS_ON_A_PAGE))
    asked = query.get("page", "1")
    number = min(max(int(asked), 1), pages) if asked.isascii() and asked.isdigit() and len(asked) < 9 else 1
    shown = left[(number - 1) * ROWS_ON_A_PAGE : number * ROWS_ON_A_PAGE]
    return Listing(columns, shown, len(left), number, pages, {k: v for k, v in query.items() if k != "show"})


def _searched(row: Mapping[str, Any]) -> str:
    return " ".join(as_text(value) for name, value in row.items() if name != "_key").casefold()


async def _asked(request: Request, parameters: Sequence[Parameter]) -> dict[str, str]:
    if request.method == "POST":
        return sent(parameters, await request.form())
    return {each.name: request.query_params.get(each.name, "").strip() for each in parameters}


def _chooses(operation: Operation) -> bool:
    """Whether it takes conditions instead of a name, and says beforehand what they choose."""
    subject = subject_of(operation)
    return operation.preview is not None and subject is not None and not subject.is_required


def _filled_in(request: Request, deed: _Deed) -> dict[str, str]:
    """What the link to a form has put into its fields; a secret stands in no address."""
    known = {each.name for each in deed.parameters if not is_secret(each)}
    return {name: text for name, text in request.query_params.items() if name in known}


def _general(parameters: Sequence[Parameter], errors: Mapping[str, str]) -> str:
    """What stands above the form: an error of no field in it."""
    names = {each.name for each in parameters}
    return next((text for name, text in errors.items() if name not in names), "")
