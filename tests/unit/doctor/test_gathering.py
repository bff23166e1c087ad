"""What the machine, files and the trace tell, as facts."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from staffetta.doctor.checks import permissions
from staffetta.doctor.facts import FileFacts
from staffetta.doctor.gathering import machine
from staffetta.doctor.gathering.files import files
from staffetta.settings.model import Settings
from staffetta.trace.peers import peer_counts
from tests.unit.doctor.setups import Setup, healthy
from tests.unit.operations.mail import kept
from tests.unit.operations.office import Office

MOUNTS = r"""22 1 0:21 / / rw - ext4 /dev/vda rw
23 22 0:22 / /run rw - tmpfs tmpfs rw
24 22 0:23 / /var/lib/my\040mail rw - xfs /dev/vdb rw
"""
ROUTES = """Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010011AC	0003	0	0	0	00000000	0	0	0
eth0	000011AC	00000000	0001	0	0	0	0000FFFF	0	0	0
"""


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setup:
    return healthy(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("folder", "kind"), [("/", "ext4"), ("/run/lock", "tmpfs"), ("/var/lib/my mail/spool", "xfs"), ("/runner", "ext4")]
)
def test_the_file_system_is_that_of_the_nearest_mount(tmp_path: Path, folder: str, kind: str) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS)
    assert machine.file_system(Path(folder), tmp_path / "mountinfo") == kind


def test_the_gateway_is_that_of_the_default_route(tmp_path: Path) -> None:
    (tmp_path / "route").write_text(ROUTES)
    assert machine.default_gateway(tmp_path / "route") == "172.17.0.1"


def test_what_the_kernel_does_not_tell_is_no_error(tmp_path: Path) -> None:
    assert machine.default_gateway(tmp_path / "nothing") is None
    assert machine.file_system(tmp_path, tmp_path / "nothing") == ""


def test_trying_the_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    disk = machine.disk(tmp_path)
    assert disk.trouble is None
    assert disk.sync_ms is not None and disk.sync_ms > 0
    assert list(tmp_path.iterdir()) == []


def test_a_data_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    disk = machine.disk(tmp_path / "a" / "b")
    assert (disk.trouble, disk.sync_ms) == (None, None)
    assert disk.total_octets > 0
    assert list(tmp_path.iterdir()) == []


def test_files_are_looked_at_once_and_only_where_they_are(setup: Setup) -> None:
    looked_at = {file.path.name: file.mode for file in files(setup.settings())}
    assert looked_at == {"data": 0o700, "relay.toml": 0o640, "relay.key": 0o600, "client.key": 0o600}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_a_file_of_root_is_told_where_the_relay_is_another_user(setup: Setup) -> None:
    os.chown(setup.folder / "data", 65534, 65534)
    facts = [file for file in files(setup.settings()) if file.path.suffix == ".key"]
    assert {(file.path.name, file.is_for_relay) for file in facts} == {("relay.key", False), ("client.key", False)}
    (setup.folder / "relay.key").chmod(0o640)
    os.chown(setup.folder / "relay.key", 0, 65534)
    assert [file.is_for_relay for file in files(setup.settings()) if file.path.name == "relay.key"] == [True]


def test_a_file_that_the_relay_cannot_read_is_a_finding(setup: Setup) -> None:
    file = FileFacts(Path("/etc/staffetta/relay.key"), "the private key of listener relay", 0o600, is_for_relay=False)
    facts = replace(setup.facts(), files=(file,))
    assert [finding.code for finding in permissions.judge(facts)] == ["file-not-for-the-relay"]


def test_peers_are_counted_from_messages_and_refusals_with_their_names(tmp_path: Path) -> None:
    with Office(tmp_path) as office:
        for peer in ("192.0.2.7", "192.0.2.8", "192.0.2.7"):
            kept(office.settings, "eve@example.net", peer=peer)
        counts = peer_counts(tmp_path / "spool")
    assert [(each.address, each.sessions) for each in counts] == [("192.0.2.7", 2), ("192.0.2.8", 1)]
    assert counts[0].helos == ("client.example",)


def test_settings_without_anything_can_be_looked_at(tmp_path: Path) -> None:
    assert files(Settings(hostname="relay.test", data_dir=tmp_path / "none")) == ()
