"""`staffetta queue`: what waits and why, and what can be done about it.

Rule: what is named by its id is done at once; what is chosen by what it is like is shown first, and done when somebody
has said yes, or --yes.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from staffetta.cli.objects import command_of
from staffetta.cli.options import ConfigFile, Json, Limit
from staffetta.cli.rows import print_values
from staffetta.cli.status import EX_NOINPUT, EX_OK, EX_USAGE
from staffetta.cli.tables import print_json, print_lines, print_table
from staffetta.operations import queues
from staffetta.operations.local import LocalOffice, local_office
from staffetta.operations.meanings import in_words
from staffetta.operations.ordering import OrderRow
from staffetta.operations.registry import Operation, ParameterKind, find
from staffetta.operations.selecting import Selection
from staffetta.settings.file import load
from staffetta.settings.objects import outside_name

_COLUMNS = {
    "queue_id": "Queue id",
    "received_at": "Received",
    "sender": "Sender",
    "recipient": "Recipient",
    "state": "State",
    "destination": "Destination",
    "attempts": "Attempts",
    "next_attempt_at": "Next attempt",
    "diagnostic": "Why",
}
_ASKED = "Do it? [y/N] "

QueueIds = Annotated[str, Parameter(help="Queue ids, as `staffetta queue list` shows them.")]


def queue_commands() -> App:
    """Return the commands under `staffetta queue`."""
    app = App(name="queue", help="What waits and why; hold, release, retry, delete, redirect; suspend and resume.")
    app.command(list_queue, name="list")
    app.command(show)
    app.command(_named("Get-Queue", "identity"), name="places")
    app.command(_named("Suspend-Queue"), name="suspend")
    app.command(_named("Resume-Queue"), name="resume")
    app.command(_named("Retry-Queue"), name="retry-place")
    app.command(_named("Get-Message", "identity", "all"), name="find")
    app.command(_action("Suspend-Message", "Keep messages and do not try them, until they are released."), name="hold")
    app.command(_action("Resume-Message", "Let held messages go on."), name="release")
    app.command(_action("Retry-Message", "Try deferred messages now."), name="retry")
    app.command(_action("Remove-Message", "Delete messages; with --with-ndr the senders are notified."), name="delete")
    app.command(_action("Redirect-Message", "Send messages another way, now."), name="redirect")
    app.command(_action("Complete-Message", "Take messages of unknown outcome as delivered."), name="complete")
    return app


def list_queue(*, config: ConfigFile, limit: Limit = 1000, json: Json = False) -> None:
    """List the recipients that are not closed, oldest first: why each waits, and when it is tried next."""
    rows = queues.waiting(load(config), limit=limit)
    if json:
        print_json(rows)
    else:
        print_table(_COLUMNS, rows, if_empty="The queue is empty.")


def show(queue_id: str, /, *, config: ConfigFile, json: Json = False) -> int:
    """Show one message's recipients that are not closed; `staffetta trace` tells of the others."""
    rows = queues.waiting(load(config), queue_id=queue_id)
    if json:
        print_json(rows)
    else:
        print_table(_COLUMNS, rows, if_empty=f"Nothing of {queue_id} is in the queue.")
        if words := in_words(row.diagnostic for row in rows):
            print_lines(["", *words])
    return EX_OK if rows else EX_NOINPUT


def _named(cmdlet: str, *without: str) -> Callable[..., int]:
    return command_of(find(cmdlet), without=without)


def _action(cmdlet: str, help_text: str) -> Callable[..., int]:
    """Return the command that gives an order about messages."""
    operation = find(cmdlet)
    options = list(_options(operation))

    def command(
        *queue_ids: str, config: Any, preview: bool = False, yes: bool = False, json: bool = False, **typed: Any
    ) -> int:
        given = {outside_name(name): value for name, value in typed.items() if value is not None and value is not False}
        if not queue_ids and not any(outside_name(field) in given for field in Selection.model_fields):
            print("Name the queue ids, choose by --recipient and the like, or give --all.", file=sys.stderr)
            return EX_USAGE
        if cmdlet == "Remove-Message":
            given.setdefault(outside_name("with_ndr"), False)
        given |= {"Identity": list(queue_ids)} if queue_ids else {}
        with local_office(config, "cli") as office:
            if preview or not (queue_ids or yes):
                print_lines(_foreseen(office, operation, given))
                if preview:
                    return EX_OK
                if not _is_wanted():
                    return EX_USAGE
            (row,) = office.execute(operation, given).rows
        assert isinstance(row, OrderRow)
        _tell(row, as_json=json)
        return EX_OK if row.recipients or not queue_ids else EX_NOINPUT

    command.__doc__ = help_text
    command.__annotations__ = {each.name: each.annotation for each in options} | {"return": int}
    command.__signature__ = inspect.Signature(options, return_annotation=int)  # type: ignore[attr-defined]
    return command


def _foreseen(office: LocalOffice, operation: Operation, given: dict[str, object]) -> Sequence[str]:
    return [line.removeprefix("What if: ") for line in office.execute(operation, given, only_ask=True).warnings[1:]]


def _is_wanted() -> bool:
    if not sys.stdin.isatty():
        print("Nothing is done. Add --yes to do it.", file=sys.stderr)
        return False
    return input(_ASKED).strip().casefold() in ("y", "yes")


def _tell(row: OrderRow, *, as_json: bool) -> None:
    if as_json:
        print_values([row.model_dump(mode="json", by_alias=True)])
    else:
        print_lines(row.result.split("; "))


def _options(operation: Operation) -> Iterator[inspect.Parameter]:
    """Yield what the command takes: ids, what the cmdlet takes, and what all such commands take."""
    yield inspect.Parameter("queue_ids", inspect.Parameter.VAR_POSITIONAL, annotation=QueueIds)
    for each in operation.parameters:
        if each.field != "identity":
            kind = _typed(each.kind, each.choices)
            taken: Any = kind if each.is_required or kind is bool else kind | None
            default = inspect.Parameter.empty if each.is_required else False if kind is bool else None
            name = f"--{each.field.removesuffix('_address').replace('_', '-')}"  # as `staffetta trace` has them
            yield _keyword(
                each.field, Annotated[taken, Parameter(name=name, help=each.description, negative="")], default
            )
    yield _keyword("preview", _flag("Say how many it would be about, show the first few, and do nothing."), False)
    yield _keyword("yes", _flag("Do not ask."), False)
    yield _keyword("config", ConfigFile)
    yield _keyword("json", Json, False)


def _typed(kind: ParameterKind, choices: tuple[str, ...]) -> Any:
    if kind is ParameterKind.CHOICE:
        return Literal.__getitem__(choices)
    return bool if kind in (ParameterKind.FLAG, ParameterKind.SWITCH) else str


def _flag(help_text: str) -> Any:
    return Annotated[bool, Parameter(negative="", help=help_text)]


def _keyword(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


queue = queue_commands()
