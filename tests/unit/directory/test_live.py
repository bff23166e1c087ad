"""Changes of the directory reach a relay that runs, and the sessions that it has."""

import asyncio
import contextlib
import math
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from staffetta.app import Relay
from staffetta.directory.live import LiveSettings
from staffetta.directory.store import Author, Directory, Kind
from staffetta.directory.transport import keep_transport
from staffetta.settings.file import SettingsError, load
from staffetta.settings.model import Settings
from staffetta.settings.objects import AcceptedDomain, InboundConnector
from tests.reception_sockets.dialog import PATIENCE_SECONDS, Client

ADA = Author("ada", "cli", "New-InboundConnector")
FILE = """
hostname = "relay.contoso.test"
data_dir = "var"
default_route = "out"
[[listeners]]
name = "relay"
address = "127.0.0.1:0"
[[routes]]
name = "out"
next_hops = [{ host = "127.0.0.1", port = 1 }]
[[accepted_domains]]
name = "contoso.test"
route = "out"
"""
# What an operation in another process does.
ADD = """
import sys
from pathlib import Path
from staffetta.directory.store import Author, Directory, Kind
from staffetta.settings.file import load
from staffetta.settings.objects import InboundConnector
settings = load(Path(sys.argv[1]))
with Directory.open(settings.data_dir).change(settings, Author("ada", "cli", "New-InboundConnector")) as changing:
    changing.put(Kind.INBOUND_CONNECTOR, InboundConnector(name="Lab", sender_ip_addresses=("127.0.0.1",)))
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(FILE)
    return path


@contextlib.asynccontextmanager
async def running(file: Path) -> AsyncIterator[Relay]:
    relay = Relay(load(file), file)
    await relay.start()
    try:
        yield relay
    finally:
        await relay.stop(grace_seconds=1)


async def until_connectors(relay: Relay, count: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(relay.current_settings().inbound_connectors) != count:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


async def connect(relay: Relay) -> Client:
    host, _, port = relay.smtp_address.rpartition(":")
    client = Client(*await asyncio.open_connection(host, int(port)))
    await client.reply()
    await client.say("EHLO client.example\n")
    return client


async def outside_recipient(client: Client) -> str:
    """Begin a transaction, and return what a recipient outside gets."""
    await client.say("RSET\n")
    await client.say("MAIL FROM:<ada@contoso.test>\n")
    return (await client.say("RCPT TO:<eve@outside.example>\n"))[-1][:9]


def declare_connector(file: Path, name: str) -> None:
    file.write_text(FILE + f'[[inbound_connectors]]\nname = "{name}"\nsender_ip_addresses = ["192.0.2.1"]\n')


def keep_lab(file: Path) -> None:
    """Put the connector `Lab` into the directory."""
    settings = load(file)
    directory = Directory.open(settings.data_dir)
    with directory.change(settings, ADA) as changing:
        changing.put(Kind.INBOUND_CONNECTOR, InboundConnector(name="Lab", sender_ip_addresses=("192.0.2.2",)))
    directory.close()


def test_a_connector_of_another_process_reaches_the_next_transaction_of_a_session(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine the event loop comes late, and under that stress a stranger's second mistake is its last.
    monkeypatch.setattr("staffetta.reception.crowd._LATENESS_SECONDS", math.inf)

    async def test() -> None:
        async with running(file) as relay:
            client, other = await connect(relay), await connect(relay)
            assert await outside_recipient(client) == "550 5.7.6"
            await asyncio.to_thread(subprocess.run, [sys.executable, "-c", ADD, str(file)], check=True)
            await until_connectors(relay, 1)
            assert await outside_recipient(client) == "250 2.1.5"
            with Directory.open(file.parent / "var").change(relay.current_settings(), ADA) as changing:
                changing.remove(changing.objects(Kind.INBOUND_CONNECTOR)[0])
            await until_connectors(relay, 0)
            # Another session, since on a busy machine a stranger's second error is the session's last.
            assert await outside_recipient(other) == "550 5.7.6"
            await client.say("QUIT\n")
            await other.say("QUIT\n")

    asyncio.run(test())


def test_limits_that_are_set_reach_the_next_transaction_of_a_session_and_none_under_way(file: Path) -> None:
    async def test() -> None:
        async with running(file) as relay:
            client = await connect(relay)
            await client.say("MAIL FROM:<ada@contoso.test>\n")
            assert (await client.say("RCPT TO:<a@contoso.test>\n"))[-1][:3] == "250"
            with Directory.open(file.parent / "var").change(relay.current_settings(), ADA) as changing:
                keep_transport(changing, {"recipients_max": 1, "message_octets_max": 1000})
            async with asyncio.timeout(PATIENCE_SECONDS):
                while relay.current_settings().limits.recipients_max != 1:  # noqa: ASYNC110 - nothing tells of it
                    await asyncio.sleep(0.01)
            assert (await client.say("RCPT TO:<b@contoso.test>\n"))[-1][:3] == "250"
            await client.say("RSET\n")
            assert (await client.say("MAIL FROM:<ada@contoso.test> SIZE=1001\n"))[-1][:9] == "552 5.3.4"
            await client.say("MAIL FROM:<ada@contoso.test>\n")
            assert (await client.say("RCPT TO:<a@contoso.test>\n"))[-1][:3] == "250"
            assert (await client.say("RCPT TO:<b@contoso.test>\n"))[-1][:9] == "452 4.5.3"
            await client.say("QUIT\n")

    asyncio.run(test())


def test_a_reload_of_the_file_keeps_what_the_directory_has(file: Path) -> None:
    async def test() -> None:
        async with running(file) as relay:
            declare_connector(file, "Office")
            relay.reload()
            assert [each.name for each in relay.current_settings().inbound_connectors] == ["Office", "Lab"]
            declare_connector(file, "lab")
            with capture_logs() as logs:
                relay.reload()
            assert "inbound connector 'Lab': Name: 'Lab' is there twice" in logs[0]["error"]
            assert [each.name for each in relay.current_settings().inbound_connectors] == ["Office", "Lab"]

    keep_lab(file)
    asyncio.run(test())


def test_a_relay_does_not_start_on_a_file_that_contradicts_the_directory(file: Path) -> None:
    keep_lab(file)
    declare_connector(file, "lab")

    async def test() -> None:
        with pytest.raises(SettingsError, match=r"it contradicts the directory in .*var; change one of them"):
            await Relay(load(file), file).start()

    asyncio.run(test())


def test_a_snapshot_that_cannot_be_made_leaves_the_one_before_and_is_logged_once(file: Path) -> None:
    async def test() -> None:
        declared = load(file)
        directory = Directory.open(declared.data_dir)
        taken: list[Settings] = []
        live = LiveSettings(directory, declared, taken.append)
        watch = asyncio.create_task(live.watch(poll_seconds=0.001))
        with capture_logs() as logs:
            for number, guid in enumerate(("first", "second"), 1):
                spoil(declared.data_dir, guid)
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while len(logs) < number:  # noqa: ASYNC110 - nothing tells of it
                        await asyncio.sleep(0.001)
        assert [log["event"] for log in logs] == ["settings stay as they were before the directory changed"] * 2
        assert "(first) of the directory cannot be read by this version" in logs[0]["error"]
        assert len(taken) == 1
        watch.cancel()
        directory.close()

    asyncio.run(test())


def spoil(data_dir: Path, guid: str) -> None:
    """Leave one object, which nobody can read, as a newer version might."""
    connection = sqlite3.connect(data_dir / "directory.sqlite")
    with connection:
        connection.execute("DELETE FROM object")
        connection.execute("INSERT INTO object VALUES (1, 'accounts', ?, 'n', '{\"new_key\": 1}', 0, 0)", (guid,))
        connection.execute("UPDATE directory SET generation = generation + 1")
    connection.close()


def test_a_file_read_meanwhile_is_not_undone_by_the_directory(file: Path) -> None:
    declared = load(file)
    file.write_text(FILE.replace("contoso.test", "fabrikam.test"))
    other = load(file)

    async def test() -> None:
        directory = Directory.open(declared.data_dir)
        taken: list[Settings] = []
        live = LiveSettings(directory, declared, taken.append)
        watch = asyncio.create_task(live.watch(poll_seconds=0))
        live.declare(other)
        with directory.change(taken[-1], ADA) as changing:
            changing.put(Kind.INBOUND_CONNECTOR, InboundConnector(name="Lab", sender_ip_addresses=("192.0.2.1",)))
            changing.put(Kind.ACCEPTED_DOMAIN, AcceptedDomain(name="late.test", route="out"))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not taken[-1].inbound_connectors:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.001)
        assert [each.name for each in taken[-1].accepted_domains] == ["fabrikam.test", "late.test"]
        watch.cancel()
        directory.close()

    asyncio.run(test())
