"""Which recipients that wait are meant: by id, by what they are like, or by one of Exchange's filters.

Rule 1: all that is given must hold; who gives nothing means nothing, unless he says -All.
Rule 2: a recipient is chosen, not its message: who deletes what goes to one domain harms no other recipient.
Rule 3: nobody chooses what another organisation's mail is (visibility.py).
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from staffetta.mail.queue_id import from_text, to_text
from staffetta.operations.access import not_found
from staffetta.operations.errors import BadParameter, BadValue
from staffetta.operations.filters import Property, like, read_filter
from staffetta.operations.inputs import Input, MultiValued, Switch
from staffetta.operations.registry import Context
from staffetta.operations.spools import not_available, spool_folder, spool_told
from staffetta.operations.time_spans import seconds_in
from staffetta.operations.visibility import own_mail
from staffetta.trace.search import DATABASE_NAME
from staffetta.trace.waiting import Waiting, what_waits


class QueueStatus(StrEnum):
    """Exchange's words for a queue and for a message in it."""

    ACTIVE = "Active"
    READY = "Ready"
    RETRY = "Retry"
    SUSPENDED = "Suspended"


class WaitingStatus(StrEnum):
    """What a recipient may be asked for by."""

    ACTIVE = "Active"
    READY = "Ready"
    RETRY = "Retry"
    SUSPENDED = "Suspended"
    UNKNOWN = "Unknown"


STATUS_OF = {
    "ready": QueueStatus.READY,
    "in attempt": QueueStatus.ACTIVE,
    "deferred": QueueStatus.RETRY,
    "unknown": QueueStatus.RETRY,
    "held": QueueStatus.SUSPENDED,
}
Test = Callable[[Waiting], bool]
_QUEUE = "The queue that it waits in, as Get-Queue shows it: `route\\destination`; or the route alone."


class Selection(Input):
    """What to choose by."""

    identity: Annotated[MultiValued | None, Field(description="Queue ids of messages.")] = None
    filter: Annotated[
        str | None, Field(description="Exchange's filter, such as `FromAddress -like '*@contoso.com'`.")
    ] = None
    queue: Annotated[str | None, Field(description=_QUEUE)] = None
    recipient_address: Annotated[
        str | None, Field(description="Recipient; `*` is any text, as in `*@contoso.com`.")
    ] = None
    sender_address: Annotated[str | None, Field(description="Reverse-path; `*` is any text, `<>` the null path.")] = (
        None
    )
    domain: Annotated[str | None, Field(description="Domain of the recipient.")] = None
    connector: Annotated[str | None, Field(description="Inbound connector that it came by.")] = None
    route: Annotated[str | None, Field(description="Route that it waits for.")] = None
    status: Annotated[
        WaitingStatus | None, Field(description="What is being done; Unknown: a next hop may have it already.")
    ] = None
    older_than: Annotated[str | None, Field(description="Received so long ago, as `2.00:00:00` or `12:00:00`.")] = None
    why: Annotated[str | None, Field(description="Text that the reason of its waiting holds.")] = None
    all: Annotated[Switch, Field(description="All that waits.")] = False


PROPERTIES: dict[str, Property[Waiting]] = {
    "Identity": Property(str, lambda row: row.queue_id),
    "FromAddress": Property(str, lambda row: row.sender),
    "Recipients": Property(str, lambda row: row.recipient),
    "Status": Property(str, lambda row: STATUS_OF[row.state].value),
    "Queue": Property(str, lambda row: row.queue),
    "NextHopConnector": Property(str, lambda row: row.route),
    "NextHopDomain": Property(str, lambda row: row.destination),
    "Subject": Property(str, lambda row: row.subject),
    "InternetMessageId": Property(str, lambda row: row.message_id),
    "Size": Property(int, lambda row: row.size),
    "DateReceived": Property(datetime, lambda row: datetime.fromtimestamp(row.received_at, UTC)),
    "SourceIP": Property(str, lambda row: row.peer),
    "MessageSourceName": Property(str, lambda row: row.connector),
    "RetryCount": Property(int, lambda row: row.attempts),
    "LastError": Property(str, lambda row: row.why),
    "IsOutcomeUnknown": Property(bool, lambda row: row.is_doubtful),
}


def selected(context: Context, given: Selection, *, must_say: bool = True) -> Generator[Waiting]:
    """Return what is meant, the next to be tried first.

    must_say: who gives nothing to choose by is refused. Raises BadParameter, BadValue, NotFound, Unavailable.
    """
    if (
        must_say
        and not given.all
        and all(getattr(given, field) is None for field in Selection.model_fields if field != "all")
    ):
        raise BadParameter(
            "Say which messages: by -Identity, -Filter, -Queue, -RecipientAddress, -SenderAddress, -Domain, "
            "-Connector, -Route, -Status, -OlderThan or -Why; or -All.",
            parameter="Identity",
        )
    tests = list(_tests(context, given))
    numbers = None if given.identity is None else _numbers(context, given.identity.applied_to(()))
    return _found(context, numbers, tests, is_doubtful=given.status is WaitingStatus.UNKNOWN)


def selected_of(context: Context, given: Selection, numbers: Sequence[int]) -> Iterator[Waiting]:
    """Return what is meant of these messages alone, and nothing of those of which nothing waits any more.

    Raises BadValue, Unavailable.
    """
    tests = list(_tests(context, given))
    with spool_told(), not_available():
        for row in what_waits(spool_folder(context.settings), numbers=numbers, own=own_mail(context)):
            if all(test(row) for test in tests):
                yield row


def _found(
    context: Context, numbers: list[int] | None, tests: list[Test], *, is_doubtful: bool = False
) -> Generator[Waiting]:
    folder = spool_folder(context.settings)
    seen: set[int] = set()
    if (folder / DATABASE_NAME).exists():
        with spool_told(), not_available():
            for row in what_waits(folder, numbers=numbers, is_doubtful=is_doubtful, own=own_mail(context)):
                seen.add(row.number)
                if all(test(row) for test in tests):
                    yield row
    for number in numbers or ():
        if number not in seen:
            raise not_found(context, to_text(number))


def _numbers(context: Context, queue_ids: Sequence[str]) -> list[int]:
    numbers = []
    for queue_id in queue_ids:
        try:
            numbers.append(from_text(queue_id.strip()))
        except ValueError as error:
            raise BadValue(
                f"'{queue_id}' is no queue id: {error}. Get-Message shows them.", parameter="Identity"
            ) from None
    if not numbers:
        raise BadParameter("-Identity names no message.", parameter="Identity")
    return numbers


def _tests(context: Context, given: Selection) -> Iterator[Test]:
    if given.filter is not None:
        yield read_filter(given.filter, PROPERTIES)
    for wanted, value_of in (
        (given.recipient_address, lambda row: row.recipient),
        (_null_path(given.sender_address), lambda row: row.sender),
        (given.domain, lambda row: row.recipient.rpartition("@")[2]),
        (given.connector, lambda row: row.connector or ""),
        (given.route, lambda row: row.route),
    ):
        if wanted is not None:
            yield _like(wanted, value_of)
    if given.queue is not None:
        yield _in_queue(given.queue)
    if given.status is not None:
        yield _of_status(given.status)
    if given.older_than is not None:
        latest = context.now() - seconds_in(given.older_than, "OlderThan")
        yield lambda row: row.received_at <= latest
    if given.why is not None:
        words = given.why.casefold()
        yield lambda row: words in (row.why or "").casefold()


def _null_path(sender: str | None) -> str | None:
    return "" if sender == "<>" else sender


def _like(wanted: str, value_of: Callable[[Waiting], str]) -> Test:
    is_like = like(wanted)
    return lambda row: is_like(value_of(row))


def _in_queue(wanted: str) -> Test:
    name = wanted.casefold()
    return lambda row: name in (row.queue.casefold(), row.route.casefold())


def _of_status(wanted: WaitingStatus) -> Test:
    if wanted is WaitingStatus.UNKNOWN:
        return lambda row: row.is_doubtful
    return lambda row: STATUS_OF[row.state].value == wanted.value
