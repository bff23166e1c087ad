"""Searches in pieces: every row once whatever the bound, and no more work than the bound allows."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from staffetta.mail.queue_id import from_text
from staffetta.trace.events import Status
from staffetta.trace.own_mail import OwnMail
from staffetta.trace.query import Place, TraceQuery
from staffetta.trace.search import Found, TraceRow, search
from tests.unit.trace.written import DAYS, START, written

OURS = OwnMail(frozenset({"Ours"}), frozenset({"fabrikam.com"}), frozenset({"fabrikam.com"}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("spool"), 1_500)


def subject_has(row: TraceRow, words: str) -> bool:
    return words.lower() in (row.subject or "").lower()


def is_ours(row: TraceRow) -> bool:
    domains = [each.rpartition("@")[2] for each in (row.sender, row.recipient)]
    return row.connector == "Ours" or any(f".{each}".endswith(".fabrikam.com") for each in domains)


QUERIES = {
    "all": (TraceQuery(), lambda row: True),
    "sender": (TraceQuery(sender="App@contoso.com"), lambda row: row.sender == "app@contoso.com"),
    "null path": (TraceQuery(sender="<>"), lambda row: row.sender == ""),
    "sender's domain": (TraceQuery(sender="*@contoso.com"), lambda row: row.sender.endswith("@contoso.com")),
    "recipient": (TraceQuery(recipient="eve@example.net"), lambda row: row.recipient == "eve@example.net"),
    "recipient's domain": (
        TraceQuery(recipient="*@example.net"),
        lambda row: row.recipient.endswith("@example.net"),
    ),
    "either domain": (
        TraceQuery(party="*@fabrikam.com"),
        lambda row: "@fabrikam.com" in row.sender + row.recipient,
    ),
    "either": (TraceQuery(party="fay@fabrikam.com"), lambda row: row.sender == "fay@fabrikam.com"),
    "both sides": (
        TraceQuery(sender="app@contoso.com", recipient="bob@example.net"),
        lambda row: (row.sender, row.recipient) == ("app@contoso.com", "bob@example.net"),
    ),
    "connector": (TraceQuery(connector="PRINTERS"), lambda row: row.connector == "printers"),
    "peer": (TraceQuery(peer="192.0.2.3"), lambda row: row.peer == "192.0.2.3"),
    "next hop": (
        TraceQuery(next_hop="mx1.example.net"),
        lambda row: row.events[-1]["host"] == "mx1.example.net",
    ),
    "subject": (TraceQuery(subject="RePort"), lambda row: subject_has(row, "report")),
    "subject, not ASCII": (TraceQuery(subject="STRAẞE UND öl"), lambda row: subject_has(row, "straße und öl")),
    "subject, signs": (TraceQuery(subject="100% [NEW"), lambda row: subject_has(row, "100% [new")),
    "subject's start": (
        TraceQuery(subject="report", subject_place=Place.START),
        lambda row: (row.subject or "").startswith("report"),
    ),
    "subject's end": (
        TraceQuery(subject="ÖL", subject_place=Place.END),
        lambda row: (row.subject or "").endswith("Öl"),
    ),
    "failed": (TraceQuery(status=Status.FAILED), lambda row: row.state in ("failed", "deleted")),
    "pending": (TraceQuery(status=Status.PENDING), lambda row: row.status is Status.PENDING),
    "new": (TraceQuery(status=Status.GETTING_STATUS), lambda row: row.status is Status.GETTING_STATUS),
    "delivered, with a subject": (
        TraceQuery(status=Status.DELIVERED, subject="monthly"),
        lambda row: row.state == "delivered" and subject_has(row, "monthly"),
    ),
    "days": (
        TraceQuery(after=START - 5 * 86_400, before=START - 4 * 86_400, connector="erp"),
        lambda row: row.connector == "erp" and "2027-01-10T08:00:00.000Z" <= row.received_at < "2027-01-11T08",
    ),
    "own": (TraceQuery(own=OURS), is_ours),
    "own, with many domains": (
        TraceQuery(own=replace(OURS, domains=OURS.domains | {f"d{each}.test" for each in range(20)})),
        is_ours,
    ),
    "own, of a sender": (
        TraceQuery(own=OURS, sender="app@contoso.com"),
        lambda row: is_ours(row) and row.sender == "app@contoso.com",
    ),
    "nothing": (TraceQuery(connector="nothing"), lambda row: False),
}


def keys(rows: Found | list[TraceRow]) -> list[tuple[str, int]]:
    found = rows.rows if isinstance(rows, Found) else rows
    return [(row.queue_id, row.place) for row in found]


@pytest.mark.parametrize("name", QUERIES)
def test_every_way_to_search_finds_what_a_walk_over_all_rows_finds(folder: Path, name: str) -> None:
    query, is_wanted = QUERIES[name]
    every = search(folder, TraceQuery(limit=-1)).rows
    assert len(every) > 1_500
    assert keys(search(folder, replace(query, limit=-1))) == keys([row for row in every if is_wanted(row)])


@pytest.mark.parametrize("limit", [-1, 300])
@pytest.mark.parametrize("name", QUERIES)
def test_who_goes_on_where_a_bound_stopped_him_gets_every_row_once(folder: Path, name: str, limit: int) -> None:
    query, _ = QUERIES[name]
    got: list[tuple[str, int]] = []
    asked = replace(query, limit=limit)
    for _ in range(200):
        found = search(folder, asked, rows_read_max=200)
        got += keys(found)
        if found.beyond is not None:
            asked = replace(asked, beyond=found.beyond)
        elif len(found.rows) == limit:
            last = found.rows[-1]
            asked = replace(asked, beyond=(from_text(last.queue_id), last.place))
        else:
            break
    assert got == keys(search(folder, replace(query, limit=-1)))


@pytest.mark.parametrize("name", ["all", "either domain", "recipient", "nothing"])
def test_several_partitions_are_searched_as_one(tmp_path: Path, name: str) -> None:
    for place in range(2):
        written(tmp_path / ("", "01")[place], 800, partition=place)
    query, is_wanted = QUERIES[name]
    every = search(tmp_path, TraceQuery(limit=-1)).rows
    wanted = keys([row for row in every if is_wanted(row)])
    assert wanted == sorted(wanted, key=lambda key: (-from_text(key[0]), key[1]))
    got: list[tuple[str, int]] = []
    asked = replace(query, limit=-1)
    while (found := search(tmp_path, asked, rows_read_max=200)).beyond is not None:
        got += keys(found)
        asked = replace(asked, beyond=found.beyond)
    assert got + keys(found) == wanted


@dataclass
class Work:
    steps: int = 0


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    """What SQLite does from now on, in hundreds of steps of its machine."""
    done = Work()

    class Counted(sqlite3.Connection):
        def __init__(self, *arguments: object, **named: object) -> None:
            super().__init__(*arguments, **named)  # type: ignore[arg-type]
            self.set_progress_handler(self._count, 100)

        def _count(self) -> int:
            done.steps += 1
            return 0

    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Counted))
    yield done


@pytest.fixture(scope="module")
def long_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("long"), 30_000, days=2 * DAYS)


ABSENT = {
    "connector": TraceQuery(connector="nothing"),
    "peer": TraceQuery(peer="203.0.113.1"),
    "subject": TraceQuery(subject="nothing"),
    "subject, not ASCII": TraceQuery(subject="ничего"),
    "sender's domain": TraceQuery(sender="*@nowhere.example"),
    "recipient's domain": TraceQuery(recipient="*@nowhere.example"),
    "either domain": TraceQuery(party="*@nowhere.example"),
    "next hop": TraceQuery(next_hop="nowhere.example"),
    "delivered there": TraceQuery(status=Status.DELIVERED, connector="nothing"),
    "failed there": TraceQuery(status=Status.FAILED, connector="nothing"),
    "of a busy sender": TraceQuery(sender="app@contoso.com", connector="nothing"),
    "to a busy recipient": TraceQuery(recipient="bob@example.net", connector="nothing"),
    "own": TraceQuery(own=OwnMail(frozenset({"nothing"}), frozenset({"nowhere.example"}), frozenset())),
}


@pytest.mark.parametrize("name", ABSENT)
def test_a_search_for_what_is_not_there_does_no_more_than_its_bound_allows(
    long_folder: Path, work: Work, name: str
) -> None:
    found = search(long_folder, ABSENT[name], rows_read_max=3_000)
    assert not found.rows
    assert found.beyond is not None
    # 3,000 rows and the piece that exceeds them, at some 50 steps each; all 52,000 would be five times as much.
    assert work.steps < 6_000 * 50 / 100


EXACT = {
    "sender": TraceQuery(sender="nobody@contoso.com"),
    "recipient": TraceQuery(recipient="nobody@example.net"),
    "either": TraceQuery(party="nobody@example.net"),
    "Message-ID": TraceQuery(message_id="nothing@contoso.com"),
    "queue id": TraceQuery(queue_id="0000000000000"),
    "rare": TraceQuery(message_id="7@contoso.com"),
}


@pytest.mark.parametrize("name", EXACT)
def test_a_whole_address_or_an_id_is_looked_for_in_all_that_is_kept_at_once(
    long_folder: Path, work: Work, name: str
) -> None:
    found = search(long_folder, EXACT[name], rows_read_max=3_000)
    assert found.beyond is None
    assert len(found.rows) == (0 if name != "rare" else len(search(long_folder, EXACT[name]).rows))
    assert work.steps < 1_000


def test_the_newest_are_found_without_reading_the_rest(long_folder: Path, work: Work) -> None:
    assert len(search(long_folder, TraceQuery(limit=50)).rows) == 50
    assert work.steps < 200
