"""`staffetta queue`: what waits and why, and what can be done about it."""

import sys
from collections.abc import Callable, Iterator
from typing import Annotated

from cyclopts import App, Parameter

from staffetta.cli.options import ConfigFile, Json, Limit
from staffetta.cli.status import EX_NOINPUT, EX_OK, EX_USAGE
from staffetta.cli.tables import print_json, print_lines, print_table
from staffetta.operations import queues
from staffetta.operations.meanings import in_words
from staffetta.operations.queues import CommandResult, CommandVerb
from staffetta.settings.file import load

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

QueueIds = Annotated[str, Parameter(help="Queue ids, as `staffetta queue list` shows them.")]
All = Annotated[bool, Parameter(name="--all", negative="", help="Every message in the queue.")]


def queue_commands() -> App:
    """Return the commands under `staffetta queue`."""
    app = App(name="queue", help="What waits and why; hold, release, retry, delete.")
    app.command(list_queue, name="list")
    app.command(show)
    app.command(_action(CommandVerb.HOLD, "Keep messages and do not try them, until they are released."), name="hold")
    app.command(_action(CommandVerb.RELEASE, "Let held messages go on."), name="release")
    app.command(_action(CommandVerb.RETRY, "Try deferred messages now."), name="retry")
    app.command(_action(CommandVerb.DELETE, "Delete messages; nobody is notified."), name="delete")
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


def _action(verb: CommandVerb, help_text: str) -> Callable[..., int]:
    def command(*queue_ids: QueueIds, config: ConfigFile, all: All = False) -> int:
        if bool(queue_ids) == all:
            print("Name the queue ids, or give --all.", file=sys.stderr)
            return EX_USAGE
        settings = load(config)
        try:
            result = queues.act(settings, verb, queue_ids)
        except ValueError as error:  # not a queue id
            print(error, file=sys.stderr)
            return EX_USAGE
        print("\n".join(told(verb, result)))
        is_something = result.changed or result.claimed or result.held
        return EX_OK if is_something or all else EX_NOINPUT

    command.__doc__ = help_text
    return command


def told(verb: CommandVerb, result: CommandResult) -> Iterator[str]:
    """What came of a command, in lines for people."""
    yield f"{verb}: {result.changed} recipient{'' if result.changed == 1 else 's'}"
    if result.claimed and verb in (CommandVerb.HOLD, CommandVerb.DELETE):
        yield f"{_are(result.claimed)} being tried now; it follows for those that stay open"
    if result.held:
        yield f"{_are(result.held)} held; release {'it' if result.held == 1 else 'them'} first"


def _are(count: int) -> str:
    return f"{count} {'is' if count == 1 else 'are'}"
