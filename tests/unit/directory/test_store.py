"""The directory: what is promised of changes, generations and the merged settings (docs/directory.md)."""

import sqlite3
import stat
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from staffetta.directory.store import (
    AlreadyNamed,
    AuditQuery,
    Author,
    Declared,
    Directory,
    DirectoryUnavailable,
    ForeignOrganization,
    Kind,
    NotConsistent,
    NotThere,
)
from staffetta.settings.file import load
from staffetta.settings.model import Settings
from staffetta.settings.objects import AcceptedDomain, Account, InboundConnector, Organization
from staffetta.settings.passwords import hash_password

ADA = Author("ada", "cli", "New-InboundConnector")
FILE = """
hostname = "relay.contoso.test"
data_dir = "var"
[[routes]]
name = "out"
next_hops = [{ host = "192.0.2.1" }]
[[inbound_connectors]]
name = "Office"
sender_ip_addresses = ["192.0.2.7"]
"""


def connector(name: str, *addresses: str) -> InboundConnector:
    return InboundConnector(name=name, sender_ip_addresses=addresses or ("198.51.100.1",))


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    ticks = count(1000)
    opened = Directory.open(tmp_path / "var", now=lambda: float(next(ticks)))
    yield opened
    opened.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "settings.toml"
    file.write_text(FILE)
    return load(file)


def names(directory: Directory, settings: Settings, kind: Kind = Kind.INBOUND_CONNECTOR) -> list[str]:
    return [each.name for each in directory.objects(kind, settings)]


def test_folder_and_database_are_for_their_owner_alone(directory: Directory, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "var").stat().st_mode) == 0o700
    for path in (tmp_path / "var").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_objects_of_the_file_come_first_and_ours_follow_by_age(directory: Directory, settings: Settings) -> None:
    with directory.change(settings, ADA) as changing:
        changing.put(Kind.INBOUND_CONNECTOR, connector("Zoe"))
        changing.put(Kind.INBOUND_CONNECTOR, connector("Adam"))
    assert names(directory, settings) == ["Office", "Zoe", "Adam"]
    merged = directory.merged(settings)
    assert [each.name for each in merged.inbound_connectors] == ["Office", "Zoe", "Adam"]
    assert names(directory, merged) == ["Office", "Zoe", "Adam"], "merged settings know what the file declared"


def test_a_change_is_seen_by_another_opening_and_raises_its_generation(
    directory: Directory, settings: Settings, tmp_path: Path
) -> None:
    other = Directory.open(tmp_path / "var")
    before = other.generation(), directory.generation()
    with directory.change(settings, ADA) as changing:
        put = changing.put(Kind.INBOUND_CONNECTOR, connector("Lab"))
    assert other.generation() != before[0]
    assert directory.generation() != before[1]
    assert directory.generation() == other.generation() == directory.generation()
    assert other.objects(Kind.INBOUND_CONNECTOR, settings)[-1] == put
    other.close()


def test_the_merged_snapshot_is_the_same_one_until_something_changes(directory: Directory, settings: Settings) -> None:
    first = directory.merged(settings)
    assert directory.merged(settings) is first
    assert directory.merged(first) is first
    with directory.change(settings, ADA) as changing:
        changing.put(Kind.INBOUND_CONNECTOR, connector("Lab"))
    assert directory.merged(settings) is not first


def test_replacing_keeps_guid_and_age_and_may_rename(directory: Directory, settings: Settings) -> None:
    with directory.change(settings, ADA) as changing:
        lab = changing.put(Kind.INBOUND_CONNECTOR, connector("Lab"))
    with directory.change(settings, ADA) as changing:
        changed = changing.put(Kind.INBOUND_CONNECTOR, connector("LAB 2", "198.51.100.2"), guid=lab.guid)
    assert (changed.guid, changed.created_at) == (lab.guid, lab.created_at)
    assert changed.changed_at > lab.changed_at
    assert directory.objects(Kind.INBOUND_CONNECTOR, settings)[-1] == changed


def test_an_exception_undoes_everything_audit_included(directory: Directory, settings: Settings) -> None:
    generation = directory.generation()
    with pytest.raises(KeyError), directory.change(settings, ADA) as changing:
        changing.put(Kind.INBOUND_CONNECTOR, connector("Lab"))
        raise KeyError
    assert names(directory, settings) == ["Office"]
    assert directory.generation() == generation
    assert directory.audit(AuditQuery()) == []


def test_only_trying_checks_and_changes_nothing(directory: Directory, settings: Settings) -> None:
    with directory.change(settings, ADA, only_try=True) as changing:
        changing.put(Kind.INBOUND_CONNECTOR, connector("Lab"))
        assert [each.name for each in changing.objects(Kind.INBOUND_CONNECTOR)] == ["Office", "Lab"]
    assert names(directory, settings) == ["Office"]
    with pytest.raises(NotConsistent), directory.change(settings, ADA, only_try=True) as changing:
        changing.put(Kind.INBOUND_CONNECTOR, connector("Lab", "0.0.0.0/0"))


@pytest.mark.parametrize("name", ["Office", "office", "LAB"])
def test_a_name_is_taken_in_file_and_directory_in_any_case(name: str, directory: Directory, settings: Settings) -> None:
    with directory.change(settings, ADA) as changing:
        changing.put(Kind.INBOUND_CONNECTOR, connector("Lab"))
    with (
        pytest.raises(AlreadyNamed, match=f"The inbound connector '{name}' is there already; take another name"),
        directory.change(settings, ADA) as changing,
    ):
        changing.put(Kind.INBOUND_CONNECTOR, connector(name))


def test_what_the_file_declares_is_changed_there_alone(
    directory: Directory, settings: Settings, tmp_path: Path
) -> None:
    office = directory.objects(Kind.INBOUND_CONNECTOR, settings)[0]
    assert office.is_declared
    assert office.guid == directory.objects(Kind.INBOUND_CONNECTOR, settings)[0].guid
    assert office.changed_at == (tmp_path / "settings.toml").stat().st_mtime
    told = f"The inbound connector 'Office' stands in {tmp_path}/settings.toml:7; change it there, and reload"
    with pytest.raises(Declared, match=told), directory.change(settings, ADA) as changing:
        changing.remove(office)
    with pytest.raises(Declared, match=told), directory.change(directory.merged(settings), ADA) as changing:
        changing.put(Kind.INBOUND_CONNECTOR, connector("Office 2"), guid=office.guid)


def test_what_is_gone_is_neither_changed_nor_removed_twice(directory: Directory, settings: Settings) -> None:
    with directory.change(settings, ADA) as changing:
        lab = changing.put(Kind.INBOUND_CONNECTOR, connector("Lab"))
        changing.remove(lab)
    with (
        pytest.raises(NotThere, match="There is no inbound connector 'Lab'"),
        directory.change(settings, ADA) as changing,
    ):
        changing.remove(lab)
    with pytest.raises(NotThere), directory.change(settings, ADA) as changing:
        changing.put(Kind.INBOUND_CONNECTOR, connector("Lab"), guid=lab.guid)


def test_what_would_be_wrong_is_refused_in_the_words_of_properties(directory: Directory, settings: Settings) -> None:
    with pytest.raises(NotConsistent) as caught, directory.change(settings, ADA) as changing:
        changing.put(Kind.INBOUND_CONNECTOR, connector("Lab", "0.0.0.0/0"))
    assert str(caught.value) == (
        "inbound connector 'Lab': SenderIPAddresses: this list is every address, an open door; "
        "if it is meant, AllowAnyAddress must be true"
    )
    assert names(directory, settings) == ["Office"]


def test_a_file_that_contradicts_the_directory_can_be_mended_here(directory: Directory, settings: Settings) -> None:
    with directory.change(settings, ADA) as changing:
        domains = [
            changing.put(Kind.ACCEPTED_DOMAIN, AcceptedDomain(name=name, route="out"))
            for name in ("contoso.test", "fabrikam.test")
        ]
    without_route = settings.model_copy(update={"routes": ()})
    with pytest.raises(NotConsistent, match="there is no route 'out'"):
        directory.merged(without_route)
    for domain in domains:
        with directory.change(without_route, ADA) as changing:
            changing.remove(domain)
    assert directory.merged(without_route).accepted_domains == ()


def test_an_author_of_one_organization_touches_no_others(directory: Directory, settings: Settings) -> None:
    with directory.change(settings, ADA) as changing:
        changing.put(Kind.ORGANIZATION, Organization(name="contoso"))
        lab = changing.put(Kind.INBOUND_CONNECTOR, connector("Lab"))
    delegate = Author("bob", "console", "Set-InboundConnector", "192.0.2.99", organization="contoso")
    with pytest.raises(ForeignOrganization), directory.change(settings, delegate) as changing:
        changing.remove(lab)
    with pytest.raises(ForeignOrganization), directory.change(settings, delegate) as changing:
        changing.put(Kind.INBOUND_CONNECTOR, connector("Mine"))
    with directory.change(settings, delegate) as changing:
        changing.put(Kind.ACCOUNT, Account(user_name="scanner@contoso.test", organization="contoso"))
    assert [each.name for each in directory.objects(Kind.ACCOUNT, settings, "Contoso")] == ["scanner@contoso.test"]
    assert directory.objects(Kind.INBOUND_CONNECTOR, settings, "contoso") == []


def test_every_changed_object_has_an_audit_row_without_secrets(directory: Directory, settings: Settings) -> None:
    account = Account(user_name="scanner@contoso.test", password_hashes=(hash_password("secret"),))
    with directory.change(settings, Author("ada", "api", "New-Account", "192.0.2.9")) as changing:
        stored = changing.put(Kind.ACCOUNT, account)
        changing.put(Kind.ACCOUNT, account, guid=stored.guid)  # nothing changes, nothing is written
    with directory.change(settings, ADA) as changing:
        changing.remove(stored)
    removed, added = directory.audit(AuditQuery())
    assert (added.actor, added.source, added.address, added.operation) == ("ada", "api", "192.0.2.9", "New-Account")
    assert (added.kind, added.target, added.organization) == ("account", "scanner@contoso.test", "default")
    assert added.before is None
    assert added.after is not None
    assert added.after["PasswordHashes"] == 1
    assert (removed.before, removed.after) == (added.after, None)


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'eve'", "DELETE FROM audit"])
def test_the_audit_is_never_changed(statement: str, directory: Directory, settings: Settings, tmp_path: Path) -> None:
    with directory.change(settings, ADA) as changing:
        changing.put(Kind.INBOUND_CONNECTOR, connector("Lab"))
    connection = sqlite3.connect(tmp_path / "var" / "directory.sqlite")
    with pytest.raises(sqlite3.IntegrityError, match="the audit is never changed"):
        connection.execute(statement)
    connection.close()


def test_openings_change_at_once_and_lose_nothing(directory: Directory, settings: Settings, tmp_path: Path) -> None:
    def add(number: int) -> None:
        own = Directory.open(tmp_path / "var")
        for each in range(5):
            with own.change(settings, ADA) as changing:
                changing.put(Kind.INBOUND_CONNECTOR, connector(f"Lab {number}.{each}"))
        own.close()

    before = directory.generation()
    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(directory.merged(settings).inbound_connectors) == 21
    assert directory.generation() == before + 20
    assert len(directory.audit(AuditQuery())) == 20


def test_threads_change_one_after_the_other(directory: Directory, settings: Settings) -> None:
    def add(number: int) -> None:
        with directory.change(settings, ADA) as changing:
            changing.put(Kind.INBOUND_CONNECTOR, connector(f"Lab {number}"))
        assert f"Lab {number}" in names(directory, settings)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(directory.merged(settings).inbound_connectors) == 9


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (b"", "is damaged .the file is empty.. Restore it from a backup"),
        (b"\xff" * 4096, "is damaged .file is not a database."),
    ],
)
def test_a_damaged_database_is_refused_and_left_alone(damage: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "directory.sqlite").write_bytes(damage)
    with pytest.raises(DirectoryUnavailable, match=told):
        Directory.open(tmp_path)
    assert (tmp_path / "directory.sqlite").read_bytes() == damage


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    Directory.open(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "directory.sqlite")
    connection.execute("PRAGMA user_version = 9999")
    connection.close()
    with pytest.raises(DirectoryUnavailable, match=r"has version 9999; this program knows \d+. Start the newer"):
        Directory.open(tmp_path)


def test_two_that_open_at_once_share_one_database(tmp_path: Path) -> None:
    opened: list[Directory] = []
    threads = [threading.Thread(target=lambda: opened.append(Directory.open(tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 4
    for each in opened:
        each.close()
    assert [path.name for path in tmp_path.iterdir()] == ["directory.sqlite"]


def test_a_folder_that_we_may_not_use_is_told(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file, and no folder")
    with pytest.raises(DirectoryUnavailable, match=r"var/directory.sqlite cannot be used: "):
        Directory.open(tmp_path / "var")


def test_the_audit_is_searched_by_each_of_its_columns_in_either_order(directory: Directory, settings: Settings) -> None:
    for actor, operation, name in (("ada", "New-InboundConnector", "Lab"), ("bob", "Set-InboundConnector", "Office 2")):
        with directory.change(settings, Author(actor, "cli", operation)) as changing:
            changing.put(Kind.INBOUND_CONNECTOR, connector(name))

    def found(**query: Any) -> list[str]:
        return [row.target for row in directory.audit(AuditQuery(**query))]

    assert found() == ["Office 2", "Lab"]
    assert found(is_oldest_first=True) == ["Lab", "Office 2"]
    assert found(actor="ADA") == found(operation="new-inboundconnector") == found(target="lab") == ["Lab"]
    assert found(after=1001) == found(limit=1) == ["Office 2"]
    assert found(before=1001) == ["Lab"]
    assert found(organization="contoso") == []
