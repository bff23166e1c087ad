"""When certificates end is listed, measured, and said in time."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from prometheus_client import REGISTRY

from staffetta.directory.store import Directory
from staffetta.net.tls import self_signed
from staffetta.operations import authority
from staffetta.operations.errors import OperationError
from staffetta.operations.expiry import CertificateRow, Condition, ExpiryWatch, Use, certificates
from staffetta.operations.ledger import Folder
from staffetta.operations.registry import Context, execute, find
from staffetta.operations.roles import Caller, Role
from staffetta.settings.model import Console, Listener, Settings
from staffetta.settings.objects import TrustedAuthority
from staffetta.settings.roads import Route
from tests.certificates import PFX_PASSWORD, make

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A relay with a listener, a named authority of two certificates, and an authority of its own."""
    certificate, _ = self_signed("mail.contoso.test", NOW)
    (tmp_path / "listener.pem").write_bytes(certificate)
    roots = [self_signed("old root", NOW - 3640 * DAY)[0], self_signed("new root", NOW)[0]]
    (tmp_path / "authority.pem").write_bytes(b"".join(roots))
    settings = Settings(
        hostname="relay.example",
        data_dir=tmp_path / "data",
        listeners=(Listener(name="relay", address="127.0.0.1:0", certificate=tmp_path / "listener.pem"),),
        trusted_authorities=(TrustedAuthority(name="Contoso", certificates=tmp_path / "authority.pem"),),
    )
    authority.init(settings, now=NOW)
    return settings


def measured(use: str, name: str) -> float | None:
    return REGISTRY.get_sample_value("staffetta_certificate_expiry_timestamp_seconds", {"use": use, "name": name})


def said(settings: Settings, watch: ExpiryWatch, now: datetime) -> list[tuple[object, ...]]:
    with structlog.testing.capture_logs() as lines:
        watch.look(certificates(settings, now))
    return [(line["name"], line["event"], line["days_left"]) for line in lines]


def test_each_certificate_is_a_row(settings: Settings) -> None:
    authority.issue(settings, "b.test", now=NOW, days=100)
    assert [(row.use, row.name, row.names, row.days_left) for row in certificates(settings, NOW)] == [
        (Use.LISTENER, "relay", ("mail.contoso.test",), 3650),
        (Use.AUTHORITY, "Contoso", ("old root",), 10),
        (Use.AUTHORITY, "Contoso", ("new root",), 3650),
        (Use.OWN_AUTHORITY, "own", ("Staffetta CA of relay.example",), 3650),
        (Use.ISSUED, "b.test", ("b.test",), 100),
    ]


def test_the_console_s_certificate_is_a_row_too(settings: Settings, tmp_path: Path) -> None:
    console = Console(certificate=tmp_path / "listener.pem", private_key=tmp_path / "listener.pem")
    found = certificates(settings.model_copy(update={"console": console}), NOW)
    assert [(row.name, row.days_left) for row in found if row.use is Use.CONSOLE] == [("console", 3650)]


def test_conditions(settings: Settings) -> None:
    authority.issue(settings, "a.test", now=NOW, days=100)
    authority.renew(settings, "a.test", now=NOW + DAY, days=100)
    authority.issue(settings, "b.test", now=NOW, days=100)
    authority.revoke(settings, "b.test", now=NOW)
    authority.issue(settings, "c.test", now=NOW, days=1)
    rows = [row for row in certificates(settings, NOW + 2 * DAY) if row.use is Use.ISSUED]
    assert [(row.name, row.condition) for row in rows] == [
        ("a.test", Condition.REPLACED),
        ("a.test", Condition.VALID),
        ("b.test", Condition.REVOKED),
        ("c.test", Condition.EXPIRED),
    ]
    assert certificates(settings, NOW - DAY)[0].condition is Condition.NOT_YET_VALID


@pytest.mark.parametrize("octets", [None, b"", b"nonsense"])
def test_a_file_without_a_certificate_is_a_row_that_says_why(settings: Settings, octets: bytes | None) -> None:
    path = settings.listeners[0].certificate
    assert path is not None
    path.unlink() if octets is None else path.write_bytes(octets)
    row = certificates(settings, NOW)[0]
    assert (row.condition, row.expires, row.days_left) == (Condition.UNREADABLE, None, None)
    assert row.note is not None and "listener.pem" in row.note


def test_a_listener_that_has_not_yet_made_its_certificate_is_no_row(settings: Settings) -> None:
    plain = settings.model_copy(update={"listeners": (Listener(name="plain", address="127.0.0.1:0"),)})
    assert [row for row in certificates(plain, NOW) if row.use is Use.LISTENER] == []
    made = plain.data_dir / "tls" / "self-signed.pem"
    made.parent.mkdir()
    made.write_bytes(self_signed("relay.example", NOW)[0])
    assert [row.name for row in certificates(plain, NOW) if row.use is Use.LISTENER] == ["plain"]


def test_warnings_come_30_14_7_and_1_days_before_the_end_and_then_daily(settings: Settings) -> None:
    settings = settings.model_copy(update={"trusted_authorities": ()})
    authority.issue(settings, "b.test", now=NOW, days=40)
    watch = ExpiryWatch(lambda: settings, lambda: NOW)
    heard = [
        (day, event, left)
        for hour in range(0, 80 * 24, 6)
        for name, event, left in said(settings, watch, NOW + timedelta(hours=hour))
        for day in [hour / 24]
    ]
    assert [day for day, event, _ in heard if event == "certificate expires soon"] == [9.25, 25.25, 32.25, 38.25, 39.25]
    expired = [left for _, event, left in heard if event == "certificate has expired"]
    assert expired == list(range(-1, -31, -1))


def test_what_was_renewed_or_revoked_is_not_warned_of(settings: Settings) -> None:
    settings = settings.model_copy(update={"trusted_authorities": ()})
    for name in ("a.test", "b.test"):
        authority.issue(settings, name, now=NOW, days=10)
    authority.renew(settings, "a.test", now=NOW)
    authority.revoke(settings, "b.test", now=NOW)
    assert said(settings, ExpiryWatch(lambda: settings, lambda: NOW), NOW + 9 * DAY) == []


def test_metric_is_the_first_end_of_each_name_and_goes_with_it(settings: Settings) -> None:
    watch = ExpiryWatch(lambda: settings, lambda: NOW)
    authority.issue(settings, "b.test", now=NOW, days=100)
    watch.look(certificates(settings, NOW))
    assert measured("trusted authority", "Contoso") == (NOW + 10 * DAY).timestamp()
    assert measured("issued", "b.test") == (NOW + 100 * DAY).timestamp()
    authority.revoke(settings, "b.test", now=NOW)
    watch.look(certificates(settings, NOW))
    assert measured("issued", "b.test") is None


def test_what_cannot_be_read_is_warned_of_once_and_the_rest_still_watched(settings: Settings) -> None:
    Folder.of(settings).ledger.write_text("{")
    watch = ExpiryWatch(lambda: settings, lambda: NOW)
    assert [name for name, event, _ in said(settings, watch, NOW) if event == "certificate cannot be read"] == ["own"]
    assert said(settings, watch, NOW) == []
    assert measured("listener", "relay") is not None


def test_the_watch_looks_at_once(settings: Settings) -> None:
    class Seen(ExpiryWatch):
        def look(self, rows: Sequence[CertificateRow]) -> None:
            super().look(rows)
            looked.set()

    async def scene() -> None:
        watching = asyncio.create_task(Seen(lambda: settings, lambda: NOW).run())
        await looked.wait()
        watching.cancel()

    looked = asyncio.Event()
    asyncio.run(asyncio.wait_for(scene(), timeout=10))
    assert measured("own authority", "own") is not None


def test_what_a_route_shows_is_a_row_whatever_its_form(settings: Settings, tmp_path: Path) -> None:
    files = make("relay.example").write(tmp_path / "client")
    (tmp_path / "password").write_text(PFX_PASSWORD)
    pem = Route(name="pem", client_certificate=files / "certificate.pem", client_key=files / "key.pem")
    pfx = Route(
        name="pfx",
        client_certificate=files / "client.pfx",
        client_certificate_password=f"file:{tmp_path / 'password'}",
    )
    closed = Route(name="closed", client_certificate=files / "client.pfx")
    rows = certificates(
        settings.model_copy(update={"routes": (pem, pfx, closed, Route(name="none"))}), datetime.now(UTC)
    )
    shown = {row.name: row for row in rows if row.use is Use.ROUTE}
    assert {name: row.condition for name, row in shown.items()} == {
        "pem": Condition.VALID,
        "pfx": Condition.VALID,
        "closed": Condition.UNREADABLE,
    }
    assert shown["pem"].fingerprint == shown["pfx"].fingerprint
    assert shown["closed"].note is not None and "client_certificate_password" in shown["closed"].note


def test_what_ends_is_shown_by_an_operation_to_who_sees_the_whole_relay(settings: Settings) -> None:
    directory = Directory.open(settings.data_dir)
    try:
        everybody = Context(settings, directory, Caller("ada", frozenset(Role), "cli"), NOW.timestamp)
        rows = execute(find("Get-CertificateExpiry"), everybody, {}).rows
        assert len(rows) == len(certificates(settings, NOW))
        soon = execute(find("Get-CertificateExpiry"), everybody, {"Days": 30}).rows
        assert [row.model_dump()["name"] for row in soon] == ["Contoso"]
        one = Context(settings, directory, Caller("eve", frozenset(Role), "cli", "fabrikam"), NOW.timestamp)
        with pytest.raises(OperationError, match="whole relay"):
            execute(find("Get-CertificateExpiry"), one, {})
    finally:
        directory.close()
