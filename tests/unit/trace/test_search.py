"""Message trace: what was asked for is found, in the words of Exchange."""

import asyncio
from pathlib import Path

import pytest

from staffetta.mail.address import parse_mailbox
from staffetta.mail.content import MemoryContent
from staffetta.mail.envelope import Envelope, Recipient
from staffetta.mail.outcome import Deferred, Stage
from staffetta.mail.queue_id import to_text
from staffetta.spool.spool import NewMessage, RecipientState, RoutedRecipient, Settlement
from staffetta.spool.sqlite import SqliteSpool
from staffetta.trace.events import Event, EventKind, Refusal, Status
from staffetta.trace.query import TraceQuery
from staffetta.trace.refusals import RefusalQuery, refusals
from staffetta.trace.search import TraceUnavailable, queue_rows, search, status_of

START = 1_800_000_000.0


def new_message(spool: SqliteSpool, at: float, sender: str | None, *addresses: str, message_id: str) -> NewMessage:
    recipients = tuple(Recipient(parse_mailbox(address)) for address in addresses)
    return NewMessage(
        number=spool.next_number(),
        message_id=message_id,
        subject="Hello",
        envelope=Envelope(None if sender is None else parse_mailbox(sender), recipients),
        recipients=tuple(
            RoutedRecipient(recipient, "out", recipient.mailbox.domain, recipient.mailbox.domain == "held.test")
            for recipient in recipients
        ),
        content=MemoryContent(b"x\r\n"),
        has_eight_bit=False,
        received_at=at,
        session_id="S1",
        peer_address="192.0.2.1",
        helo=None,
        connector="printers",
        events=(Event(at, EventKind.RECEIVE, None, {"listener": "relay"}),),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three messages, a day apart, and two refusals."""
    folder = tmp_path_factory.mktemp("spool")
    now = [START]

    async def fill() -> None:
        spool = await SqliteSpool.open(folder, clock=lambda: now[0], free_octets_min=0)
        await spool.commit(
            new_message(spool, START, "Alice@Contoso.test", "bob@example.net", "eve@held.test", message_id="<1@a>")
        )
        (claim,) = await spool.claim("out", "example.net", "printers", START, 1)
        await spool.begin_attempt(claim, [0], {"host": "mx.example.net"}, START + 1)
        outcome = Deferred(status="4.2.0", diagnostic="450 later", stage=Stage.RCPT, host="mx.example.net")
        await spool.settle(
            [
                Settlement(
                    claim.number,
                    0,
                    RecipientState.DEFERRED,
                    START + 300,
                    outcome,
                    events=(
                        Event(START + 2, EventKind.DEFER, 0, {"reply": "450 later", "next_attempt_at": START + 300}),
                    ),
                )
            ]
        )
        now[0] += 86_400
        await spool.commit(new_message(spool, now[0], None, "alice@contoso.test", message_id="<2@a>"))
        (claim,) = await spool.claim("out", "contoso.test", "printers", now[0], 1)
        await spool.settle([Settlement(claim.number, 0, RecipientState.DELIVERED, None, None)])
        now[0] += 86_400
        await spool.commit(new_message(spool, now[0], "carl@contoso.test", "bob@example.net", message_id="3@a"))
        for session_id in ("S1", "S2"):
            spool.record_refusal(
                Refusal(
                    at=now[0],
                    session_id=session_id,
                    listener="relay",
                    peer_address="192.0.2.9",
                    helo="x",
                    tls=None,
                    reverse_path="a@b.test",
                    forward_path="c@d.test",
                    reply="550 5.7.64 TenantAttribution; Relay Access Denied SMTP",
                    reason="no connector",
                    evidence={"connectors": 2},
                )
            )
        await spool.close()

    asyncio.run(fill())
    return folder


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (TraceQuery(), ["3@a bob", "<2@a> alice", "<1@a> bob", "<1@a> eve"]),
        (TraceQuery(limit=2), ["3@a bob", "<2@a> alice"]),
        (TraceQuery(message_id="<1@a>"), ["<1@a> bob", "<1@a> eve"]),
        (TraceQuery(message_id="1@a"), ["<1@a> bob", "<1@a> eve"]),
        (TraceQuery(message_id="<3@a>"), ["3@a bob"]),
        (TraceQuery(sender="alice@contoso.test"), ["<1@a> bob", "<1@a> eve"]),
        (TraceQuery(sender="<>"), ["<2@a> alice"]),
        (TraceQuery(sender=""), ["<2@a> alice"]),
        (TraceQuery(sender="*@contoso.test"), ["3@a bob", "<1@a> bob", "<1@a> eve"]),
        (TraceQuery(recipient="BOB@EXAMPLE.NET"), ["3@a bob", "<1@a> bob"]),
        (TraceQuery(recipient="*@example.net"), ["3@a bob", "<1@a> bob"]),
        (TraceQuery(recipient="bob@example.net", sender="carl@contoso.test"), ["3@a bob"]),
        (TraceQuery(status=Status.DELIVERED), ["<2@a> alice"]),
        (TraceQuery(status=Status.GETTING_STATUS), ["3@a bob"]),
        (TraceQuery(status=Status.PENDING), ["<1@a> bob", "<1@a> eve"]),
        (TraceQuery(status=Status.FAILED), []),
        (TraceQuery(after=START + 10, before=START + 90_000), ["<2@a> alice"]),
        (TraceQuery(message_id="<1@a>", after=START + 10), []),
        (TraceQuery(queue_id="nonsense"), []),
        (TraceQuery(message_id="'; DROP TABLE message; --"), []),
    ],
    ids=str,
)
def test_search_finds_by(folder: Path, query: TraceQuery, found: list[str]) -> None:
    assert [f"{row.message_id} {row.recipient.partition('@')[0]}" for row in search(folder, query).rows] == found


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_limit_takes_the_newest_however_many_slices_of_time_are_asked(folder: Path, limit: int) -> None:
    found = search(folder, TraceQuery(recipient="bob@example.net", limit=limit)).rows
    assert [row.message_id for row in found] == ["3@a", "<1@a>"][:limit]


def test_a_row_tells_the_whole_story(folder: Path) -> None:
    (row, _) = search(folder, TraceQuery(message_id="1@a")).rows
    assert search(folder, TraceQuery(queue_id=row.queue_id.lower())).rows[0] == row
    assert (row.sender, row.status, row.state, row.attempts) == ("Alice@Contoso.test", Status.PENDING, "deferred", 1)
    assert (row.received_at, row.next_attempt_at) == ("2027-01-15T08:00:00.000Z", "2027-01-15T08:05:00.000Z")
    assert row.diagnostic == "mx.example.net: 450 later"
    assert row.events == [
        {"at": "2027-01-15T08:00:00.000Z", "event": "Receive", "listener": "relay"},
        {"at": "2027-01-15T08:00:01.000Z", "event": "Attempt", "host": "mx.example.net"},
        {
            "at": "2027-01-15T08:00:02.000Z",
            "event": "Defer",
            "reply": "450 later",
            "next_attempt_at": "2027-01-15T08:05:00.000Z",
        },
    ]


def test_the_queue_lists_what_is_open_the_next_first_the_held_last(folder: Path) -> None:
    rows = queue_rows(folder)
    assert [(row.recipient, row.state) for row in rows] == [
        ("bob@example.net", "deferred"),
        ("bob@example.net", "ready"),
        ("eve@held.test", "held"),
    ]


def test_refusals_are_found_by_session(folder: Path) -> None:
    assert len(refusals(folder, RefusalQuery()).rows) == 2
    (refusal,) = refusals(folder, RefusalQuery(session_id="S2")).rows
    assert (refusal.reason, refusal.evidence, refusal.recipient) == ("no connector", {"connectors": 2}, "c@d.test")


def test_a_folder_without_a_spool_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(TraceUnavailable, match="cannot be read"):
        search(tmp_path, TraceQuery())


@pytest.mark.parametrize("state", list(RecipientState))
def test_every_state_has_a_status(state: RecipientState) -> None:
    assert status_of(state.value, 1) in Status


def test_queue_ids_are_those_of_the_reply(folder: Path) -> None:
    for row in search(folder, TraceQuery()).rows:
        assert len(row.queue_id) == len(to_text(0))
