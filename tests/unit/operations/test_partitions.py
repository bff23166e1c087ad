"""Several partitions are one spool to whoever looks, and to whoever gives orders."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from staffetta.mail.queue_id import from_text
from staffetta.operations.backup import back_up, restore
from staffetta.operations.queues import CommandVerb, Order, act, waiting
from staffetta.operations.spool_repair import check_spool
from staffetta.operations.spools import spool_folder
from staffetta.operations.trace import RefusalQuery, TraceQuery, find_messages, find_refusals
from staffetta.settings.model import Settings
from staffetta.spool.marks import HourMark, PaceMark, Scope, marks_of_all, write_marks
from staffetta.spool.stored import stored_content
from staffetta.trace.ages import ages
from staffetta.trace.backlog import backlogs
from staffetta.trace.events import Refusal
from staffetta.trace.flow import FlowCount, LastUse, Total, Way, accepted, flow, last_uses, write_flow
from staffetta.trace.next_hops import HopState, forget_states, read_states, write_states
from staffetta.trace.partitions import DATABASE_NAME, partition, partition_of, partitions
from staffetta.trace.peers import peer_counts
from staffetta.trace.waiting import what_waits
from tests.unit.operations.mail import kept, refused

PLACES = (0, 1, 12, 1, 0)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(hostname="relay.test", data_dir=tmp_path / "data")


@pytest.fixture
def queue_ids(settings: Settings) -> list[str]:
    """Of messages in three partitions, the oldest first."""
    return [kept(settings, f"r{at}@outside.example", subject=f"s{at}", place=place) for at, place in enumerate(PLACES)]


def database(settings: Settings, place: int) -> "closing[sqlite3.Connection]":
    path = partition(spool_folder(settings), place) / DATABASE_NAME
    return closing(sqlite3.connect(path, isolation_level=None))


def test_a_number_tells_the_partition_that_holds_its_message(settings: Settings, queue_ids: list[str]) -> None:
    spool = spool_folder(settings)
    assert [each.name for each in partitions(spool)] == ["spool", "01", "12"]
    for queue_id, place in zip(queue_ids, PLACES, strict=True):
        assert partition_of(spool, from_text(queue_id)) == partition(spool, place)
        assert stored_content(spool, from_text(queue_id), 8) == b"Subject:"
    assert partition_of(spool, 7) == spool


def test_the_trace_is_one_newest_first_and_goes_on_where_it_ended(settings: Settings, queue_ids: list[str]) -> None:
    newest = queue_ids[::-1]
    assert [row.queue_id for row in find_messages(settings, TraceQuery()).rows] == newest
    assert [row.queue_id for row in find_messages(settings, TraceQuery(limit=2)).rows] == newest[:2]
    beyond = (from_text(newest[1]), 0)
    assert [row.queue_id for row in find_messages(settings, TraceQuery(beyond=beyond, limit=2)).rows] == newest[2:4]
    for each in queue_ids:
        assert [row.queue_id for row in find_messages(settings, TraceQuery(queue_id=each)).rows] == [each]
    assert not find_messages(settings, TraceQuery(queue_id="no id")).rows


def test_what_waits_is_one(settings: Settings, queue_ids: list[str]) -> None:
    spool = spool_folder(settings)
    assert [row.queue_id for row in waiting(settings)] == queue_ids
    assert [row.queue_id for row in waiting(settings, limit=2)] == queue_ids[:2]
    assert [row.queue_id for row in what_waits(spool)] == queue_ids
    some = [from_text(each) for each in queue_ids[1:3]]
    assert [row.number for row in what_waits(spool, numbers=some)] == some
    (backlog,) = backlogs(spool)
    assert (backlog.messages, backlog.recipients, backlog.came_per_second) == (5, 5, 0.0)
    (age,) = ages(spool, [0.0])
    assert list(age.counts) == [5, 0]


def test_a_suspended_destination_without_mail_in_one_partition_is_told_once(settings: Settings) -> None:
    kept(settings, "bob@outside.example", place=0)
    kept(settings, "bob@elsewhere.example", place=1)
    suspend = Order(verb=CommandVerb.SUSPEND, route="outside", destination="example.net")
    act(settings, [suspend, Order(verb=CommandVerb.SUSPEND, route="empty")], asked_by="ada")
    first = next(what_waits(spool_folder(settings))).number
    act(settings, [Order(verb=CommandVerb.DELETE, numbers=[first])], asked_by="ada")
    rows = [(row.route, row.destination, row.messages, row.is_suspended) for row in backlogs(spool_folder(settings))]
    assert rows == [("outside", "example.net", 1, True), ("empty", "", 0, True)]


def test_an_order_is_carried_out_where_its_messages_are(settings: Settings, queue_ids: list[str]) -> None:
    numbers = [from_text(each) for each in queue_ids]
    result = act(settings, [Order(verb=CommandVerb.HOLD, numbers=numbers[:3])], asked_by="ada")
    assert result.changed == 3
    keys = [(number, 0) for number in numbers[2:]]
    assert act(settings, [Order(verb=CommandVerb.DELETE, keys=keys)], asked_by="ada").changed == 3
    assert {row.queue_id: row.state for row in waiting(settings)} == dict.fromkeys(queue_ids[:2], "held")
    assert act(settings, [Order(verb=CommandVerb.RELEASE)], asked_by="ada").changed == 2


def test_counts_of_mail_flow_are_added(settings: Settings, queue_ids: list[str]) -> None:
    spool = spool_folder(settings)
    for place in (0, 1, 12):
        with database(settings, place) as connection:
            write_flow(connection, [FlowCount(10 + place, Way.ACCEPTED, "c", 2), FlowCount(9, Way.DELIVERED, "r", 1)])
    assert flow(spool, after=0, before=3300) == [
        FlowCount(9, Way.DELIVERED, "r", 3),
        FlowCount(10, Way.ACCEPTED, "c", 2),
    ]
    assert accepted(spool, after=0, before=1e9) == {"c": Total(6, 22)}
    rows = find_messages(settings, TraceQuery(limit=1)).rows
    slot = int(next(iter(what_waits(spool, numbers=[from_text(rows[0].queue_id)]))).received_at // 300)
    newest = [row.received_at for row in what_waits(spool)][-1]
    assert last_uses(spool, {"SMTP Relay": slot}) == {"SMTP Relay": LastUse(newest, "192.0.2.7")}
    (peer,) = peer_counts(spool)
    assert (peer.sessions, peer.helos) == (5, ("client.example",))


def test_refusals_are_one_newest_first(settings: Settings) -> None:
    for at, place in ((100.0, 0), (300.0, 1), (200.0, 0)):
        refusal = Refusal(
            at=at,
            session_id=str(at),
            listener="relay",
            peer_address="192.0.2.1",
            helo=None,
            tls=None,
            reverse_path=None,
            forward_path=None,
            reply="550",
            reason="no",
        )
        refused(settings, refusal, place=place)
    assert [row.session_id for row in find_refusals(settings, RefusalQuery()).rows] == ["300.0", "200.0", "100.0"]
    assert [row.session_id for row in find_refusals(settings, RefusalQuery(limit=2)).rows] == ["300.0", "200.0"]


def test_of_marks_the_one_that_counts_most_holds(settings: Settings, queue_ids: list[str]) -> None:
    for place, count in ((0, 5), (1, 7), (12, 6)):
        with database(settings, place) as connection:
            write_marks(connection, [HourMark("r", Scope.ALL, 3, count), PaceMark("r", "d", 10.0 + count)])
    assert sorted(marks_of_all(spool_folder(settings)), key=str) == [
        HourMark("r", Scope.ALL, 3, 7),
        PaceMark("r", "d", 17.0),
    ]


def test_a_backup_holds_every_partition(settings: Settings, queue_ids: list[str], tmp_path: Path) -> None:
    elsewhere = settings.model_copy(update={"data_dir": tmp_path / "elsewhere"})
    assert back_up(settings, tmp_path / "relay.tar").messages == 5
    restore(elsewhere, tmp_path / "relay.tar", hold=True)
    assert {row.queue_id: row.state for row in waiting(elsewhere)} == dict.fromkeys(queue_ids, "held")


def test_damage_in_a_later_partition_is_found(settings: Settings, queue_ids: list[str]) -> None:
    assert check_spool(settings) == []
    (partition(spool_folder(settings), 1) / DATABASE_NAME).write_bytes(b"no database" * 100)
    assert len(check_spool(settings)) == 1


def test_of_a_next_hop_the_worst_state_is_told_and_what_is_no_more_is_forgotten(tmp_path: Path) -> None:
    well, ill = (HopState("r", "h:25", troubles, 1.0, 2.0, "said") for troubles in (0, 3))
    write_states(tmp_path, [well])
    write_states(tmp_path, [ill], place=1)
    assert read_states(tmp_path) == [ill]
    forget_states(tmp_path, workers=1)
    assert read_states(tmp_path) == [well]
