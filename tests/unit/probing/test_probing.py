"""Probes in their parts: what is sent, requests of other processes, places, and the clock."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from email import message_from_bytes
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from staffetta import metrics
from staffetta.mail.address import parse_mailbox
from staffetta.mail.envelope import Notify
from staffetta.probing.arrivals import MaildirPlace
from staffetta.probing.canary import Canary
from staffetta.probing.desk import FOLDER, STALE_SECONDS, ProbeDesk, ask_relay
from staffetta.probing.plan import Marked, Plan, ProbeFailed, marked, plan_of
from staffetta.settings.model import Settings
from staffetta.settings.probes import Expect, Probe
from staffetta.settings.roads import NextHop, Route

ADA, BOB = parse_mailbox("postmaster@contoso.test"), parse_mailbox("bob@example.org")


def settings(folder: Path, *probes: Probe) -> Settings:
    route = Route(name="out", next_hops=(NextHop(host="192.0.2.1"),))
    return Settings(hostname="relay.contoso.test", data_dir=folder, routes=(route,), probes=probes)


def plan(**more: object) -> Plan:
    return Plan(**({"route": "out", "to": BOB, "sender": ADA} | more))  # type: ignore[arg-type]


def test_a_probe_is_marked_and_asks_for_no_notification() -> None:
    probe = marked(plan(), "relay.contoso.test", 0.0)
    mail = message_from_bytes(probe.content)
    assert mail["X-Staffetta-Probe"] == probe.token and probe.token in mail["Message-ID"]
    assert mail["Auto-Submitted"] == "auto-generated"
    assert probe.envelope.recipients[0].notify is Notify.NEVER
    assert probe.envelope.reverse_path == ADA


def test_where_a_notification_is_waited_for_it_has_an_address_of_its_own() -> None:
    probe = marked(plan(expect=Expect.DSN, has_own_path=True), "relay.contoso.test", 0.0)
    assert str(probe.envelope.reverse_path) == f"postmaster+probe-{probe.token}@contoso.test"
    assert probe.envelope.recipients[0].notify == Notify.SUCCESS | Notify.FAILURE


def test_a_password_stands_in_no_repr(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2")
    declared = Probe(
        name="canary",
        route="out",
        to="bob@example.org",
        expect=Expect.IMAP,
        location="imaps://bob@mail.example.org",
        password=f"file:{tmp_path / 'password'}",
    )
    made = plan_of(declared, settings(tmp_path, declared))
    assert made.password == "hunter2" and "hunter2" not in repr(made)


def asked(folder: Path, put: Callable[[Plan, Marked], Awaitable[str]], **more: object) -> str:
    """What a process gets that asks a relay."""

    async def main() -> str:
        desk = asyncio.create_task(ProbeDesk(lambda: settings(folder), put).run())
        try:
            the_plan = plan(**more)
            return await ask_relay(settings(folder), the_plan, marked(the_plan, "relay.contoso.test", 0.0))
        finally:
            desk.cancel()

    return asyncio.run(main())


def test_another_process_has_the_relay_send_one(tmp_path: Path) -> None:
    put: list[tuple[Plan, Marked]] = []

    async def take(plan: Plan, probe: Marked) -> str:
        put.append((plan, probe))
        return "0QUEUE"

    assert asked(tmp_path, take) == "0QUEUE"
    ((the_plan, probe),) = put
    assert (the_plan.route, the_plan.to, probe.envelope.recipients[0].notify) == ("out", BOB, Notify.NEVER)
    assert b"X-Staffetta-Probe: " + probe.token.encode() in probe.content
    assert list((tmp_path / FOLDER).iterdir()) == []
    assert (tmp_path / FOLDER).stat().st_mode & 0o777 == 0o700


def test_the_relay_s_refusal_is_told_to_who_asked(tmp_path: Path) -> None:
    async def refuse(plan: Plan, probe: Marked) -> str:
        raise ProbeFailed("the disk is full")

    with pytest.raises(ProbeFailed, match="the disk is full"):
        asked(tmp_path, refuse)
    with pytest.raises(ProbeFailed, match="there is no route 'nope'; known: out"):
        asked(tmp_path, refuse, route="nope")


async def _never(plan: Plan, probe: Marked) -> str:
    raise AssertionError("nothing is to be sent")


@pytest.mark.parametrize(
    "text", ["", "nonsense", "[]", "{}", '{"route": "out", "to": 5, "sender": "x"}', "x" * 100_000]
)
def test_a_request_that_is_none_is_answered_so(tmp_path: Path, text: str) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir()
    (folder / "1.request").write_text(text)
    asyncio.run(ProbeDesk(lambda: settings(tmp_path), _never).look())
    assert "does not understand" in json.loads((folder / "1.answer").read_text())["trouble"]
    assert not (folder / "1.request").exists()


def test_a_request_of_yesterday_is_thrown_away(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir()
    path = folder / "1.request"
    path.write_text("{}")
    os.utime(path, (path.stat().st_mtime - 2 * STALE_SECONDS,) * 2)
    asyncio.run(ProbeDesk(lambda: settings(tmp_path), _never).look())
    assert list(folder.iterdir()) == []


def test_only_the_probe_s_own_message_is_taken_out_of_a_maildir(tmp_path: Path) -> None:
    for name in ("new", "cur"):
        (tmp_path / name).mkdir()
    (tmp_path / "new" / "1").write_bytes(b"Subject: other\r\n\r\nX-Staffetta-Probe: abc\r\n")
    (tmp_path / "new" / "2").write_bytes(b"X-Staffetta-Probe: another\r\n\r\n")
    (tmp_path / "cur" / "3").write_bytes(b"Subject: mine\r\nX-Staffetta-Probe: abc\r\n\r\nbody\r\n")
    arrival = asyncio.run(MaildirPlace(tmp_path, "abc").look())
    assert arrival is not None and arrival.header == "Subject: mine\nX-Staffetta-Probe: abc"
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["1", "2"]
    assert list((tmp_path / "cur").iterdir()) == []


def test_a_maildir_that_is_not_there_yet_is_no_trouble(tmp_path: Path) -> None:
    assert asyncio.run(MaildirPlace(tmp_path / "later", "abc").look()) is None


def test_a_probe_by_the_clock_begins_once_in_its_time_and_ends_with_its_settings(tmp_path: Path) -> None:
    probe = Probe(name="clock", route="out", to="bob@example.org", every_seconds=900)
    begun: list[float] = []
    now, declared = [1000.0], [probe]

    async def submit(plan: Plan, marked: Marked) -> str:
        begun.append(now[0])
        raise ProbeFailed("not today")

    async def main() -> None:
        canary = Canary(lambda: settings(tmp_path, *declared), submit, tmp_path, now=lambda: now[0], first_seconds=10)
        for now[0] in (1000.0, 1009.0, 1010.0, 1011.0, 1860.0, 1911.0):
            canary.look()
            await asyncio.sleep(0)
            await asyncio.gather(*canary._running.values())
        declared.clear()
        now[0] = 9000.0
        canary.look()
        await asyncio.sleep(0)

    with capture_logs() as logs:
        asyncio.run(main())
    assert begun == [1010.0, 1911.0]
    assert [(each["event"], each["log_level"], each["error"]) for each in logs] == [
        ("probe failed", "error", "not today")
    ] * 2
    assert metrics.PROBES.labels("clock", "failed")._value.get() == 2
