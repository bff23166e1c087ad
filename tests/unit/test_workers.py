"""What each of several workers holds, listens on and may do."""

import socket
from pathlib import Path

import pytest

from staffetta.operations.restarting import StandingFile, restart
from staffetta.operations.spools import NotAvailable
from staffetta.place import ALONE, Place
from staffetta.ports import CONSOLE, CannotListen, Ports, use_of
from staffetta.settings.model import Console, Limits, Listener, QueueSettings, Settings
from staffetta.settings.shares import share, workers_of
from staffetta.spool.lock import SpoolLocked


def settings(**more: object) -> Settings:
    return Settings.model_validate({"hostname": "relay.test", "data_dir": Path("data"), **more})


@pytest.mark.parametrize("there", [(), (0,), (0, 1), (0, 1, 2, 3, 7, 12)])
@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_every_partition_is_held_by_one_worker(there: tuple[int, ...], workers: int) -> None:
    held = [Place(number, workers).held(there) for number in range(workers)]
    assert sorted(each for parts in held for each in parts) == sorted({*there, *range(workers)})
    assert [parts[0] for parts in held] == list(range(workers))


def test_one_alone_holds_all_that_others_have_left() -> None:
    assert ALONE.held((0, 1, 2)) == [0, 1, 2]


def test_the_shares_of_a_limit_are_never_more_than_the_limit() -> None:
    whole = settings(
        limits=Limits(connections_max=7, errors_per_minute_max=1), queue=QueueSettings(active_messages_max=9)
    )
    of_three = share(whole, 3)
    assert (of_three.limits.connections_max, of_three.queue.active_messages_max) == (2, 3)
    assert of_three.limits.errors_per_minute_max == 1
    assert of_three.limits.recipients_max == whole.limits.recipients_max
    assert share(whole, 1) is whole


def test_auto_is_a_worker_for_each_core() -> None:
    assert workers_of(settings(workers="auto")) >= 1
    assert workers_of(settings(workers=3)) == 3


def test_ports_stay_where_their_address_does_and_go_where_nobody_asks_for_them() -> None:
    listener = Listener(name="relay", address="127.0.0.1:0")
    before = Ports()
    before.settle(settings(listeners=(listener,), console=Console(address="127.0.0.1:0")))
    was, console = before.address(use_of("relay")), before.address(CONSOLE)
    after = Ports(before.handed())
    after.settle(settings(listeners=(listener,)))
    assert after.address(use_of("relay")) == was
    host, _, port = console.rpartition(":")
    socket.create_server((host, int(port))).close()
    with pytest.raises(CannotListen, match="console is not bound"):
        after.take(CONSOLE)
    after.close()


def test_a_port_that_cannot_be_had_leaves_the_others_as_they_were() -> None:
    listener = Listener(name="relay", address="127.0.0.1:0")
    ports = Ports()
    ports.settle(settings(listeners=(listener,)))
    handed = dict(ports.handed())
    moved = (Listener(name="relay", address="127.0.0.2:0"), Listener(name="other", address="192.0.2.1:25"))
    with pytest.raises(CannotListen, match=r"192\.0\.2\.1:25"):
        ports.add(settings(listeners=moved))
    assert dict(ports.handed()) == handed
    ports.close()


def test_a_restart_is_asked_of_the_process_that_holds_the_lock_and_of_no_other(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match="No relay runs"):
        restart(tmp_path)
    standing = StandingFile.take(tmp_path)
    with pytest.raises(SpoolLocked, match="in use"):
        StandingFile.take(tmp_path)
    standing.ready()
    asked: list[int] = []

    def renewed(pid: int, signal: int) -> None:
        asked.append(pid)
        StandingFile(standing.descriptor, standing.standing.__class__(pid, 2)).ready()

    restart(tmp_path, ask=renewed, sleep=lambda seconds: None)
    assert asked == [standing.standing.pid]
    for _ in range(2):
        with pytest.raises(NotAvailable, match="goes on as it was: wrong settings"):
            restart(tmp_path, ask=lambda pid, signal: standing.refuse("wrong settings"), sleep=lambda seconds: None)
