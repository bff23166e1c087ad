"""Maildirs: safe names, whole files, no copy twice."""

import asyncio
import errno
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffetta.delivery import maildir
from staffetta.delivery.maildir import MaildirCourier, mailbox_folder
from staffetta.mail.address import AddressError, parse_mailbox
from staffetta.mail.outcome import Deferred, Delivered, Handover, Stage
from tests.delivery_sockets.carrying import CONTENT, consignment
from tests.delivery_sockets.test_transactions import StreamedContent


def deliver(root: Path, what, before_data=None):
    async def main():
        async def quietly(host):
            pass

        courier = MaildirCourier()
        try:
            return await courier.carry(root, "relay.example", what, before_data or quietly)
        finally:
            await courier.close()

    return asyncio.run(main())


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("is_streamed", [False, True])
def test_the_mailbox_gets_the_content_below_return_path_and_delivered_to(tmp_path, is_streamed):
    content = StreamedContent(CONTENT, 5) if is_streamed else CONTENT
    (outcome,) = deliver(tmp_path, consignment("Bob@Contoso.test", content=content))
    assert isinstance(outcome, Delivered)
    assert (outcome.handover, outcome.stage) == (Handover.FINAL, Stage.LOCAL)
    assert files(tmp_path) == {
        "contoso.test/bob/new/0000000000001.staffetta": b"Return-Path: <author@contoso.test>\r\n"
        b"Delivered-To: Bob@Contoso.test\r\n" + CONTENT
    }


def test_the_attempt_is_written_down_before_the_mailbox_is_touched(tmp_path):
    async def before_data(contact):
        assert contact.host == "relay.example"
        assert files(tmp_path) == {}

    deliver(tmp_path, consignment("bob@contoso.test"), before_data)
    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize("moved", ["new/0000000000001.staffetta", "cur/0000000000001.staffetta:2,S"])
def test_a_second_attempt_makes_no_second_copy_even_after_a_reader_moved_the_first(tmp_path, moved):
    what = consignment("bob@contoso.test")
    deliver(tmp_path, what)
    mailbox = tmp_path / "contoso.test" / "bob"
    (mailbox / "new" / "0000000000001.staffetta").rename(mailbox / moved)
    (outcome,) = deliver(tmp_path, what)
    assert isinstance(outcome, Delivered)
    assert len(files(tmp_path)) == 1


def test_what_a_crash_left_in_tmp_is_written_anew(tmp_path):
    left = tmp_path / "contoso.test" / "bob" / "tmp" / "0000000000001.staffetta"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half a mess" * 1000)
    (outcome,) = deliver(tmp_path, consignment("bob@contoso.test"))
    assert isinstance(outcome, Delivered)
    (content,) = files(tmp_path).values()
    assert content.endswith(CONTENT) and not left.exists()


def test_two_spellings_of_one_mailbox_get_one_copy(tmp_path):
    outcomes = deliver(tmp_path, consignment("bob@contoso.test", "BOB@contoso.test", "eve@contoso.test"))
    assert all(isinstance(outcome, Delivered) for outcome in outcomes)
    assert len(files(tmp_path)) == 2


@pytest.mark.parametrize(
    ("address", "folder"),
    [
        ('"../../etc"@contoso.test', "contoso.test/%2E.%2F..%2Fetc"),
        ('".."@contoso.test', "contoso.test/%2E."),
        ('"."@contoso.test', "contoso.test/%2E"),
        ('""@contoso.test', "contoso.test/%"),
        ('"a b"@contoso.test', "contoso.test/a%20b"),
        ("bob@[IPv6:::1]", "%5BIPv6%3A%3A%3A1%5D/bob"),
        ("josé@bücher.example", "xn--bcher-kva.example/jos%C3%A9"),
        ("Bob+Tag@contoso.test", "contoso.test/bob+tag"),
    ],
)
def test_names_are_safe(address, folder):
    assert mailbox_folder(Path("/mail"), parse_mailbox(address)) == Path("/mail") / folder


@given(st.text(min_size=1, max_size=30))
def test_no_address_reaches_outside_its_folder(local_part):
    quoted = '"' + local_part.replace("\\", "\\\\").replace('"', '\\"') + '"'
    try:
        mailbox = parse_mailbox(f"{quoted}@contoso.test")
    except AddressError:
        return
    folder = mailbox_folder(Path("/mail"), mailbox)
    assert folder.parent == Path("/mail/contoso.test")
    assert folder.name not in ("", ".", "..") and "\0" not in folder.name and not folder.name.startswith(".")


def test_a_full_disk_defers_and_is_trouble_of_the_place(tmp_path, monkeypatch):
    def full(descriptor, octets):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(maildir, "_write_all", full)
    (outcome,) = deliver(tmp_path, consignment("bob@contoso.test"))
    assert isinstance(outcome, Deferred)
    assert (outcome.status, outcome.is_destination_trouble) == ("4.3.1", True)
    assert not list(tmp_path.glob("*/*/new/*"))


def test_a_place_that_cannot_be_written_defers(tmp_path):
    (tmp_path / "contoso.test").write_bytes(b"a file where a folder must be")
    (outcome,) = deliver(tmp_path, consignment("bob@contoso.test"))
    assert isinstance(outcome, Deferred) and outcome.status == "4.3.0"


def test_a_maildir_that_was_removed_is_made_again(tmp_path):
    async def main():
        async def before_data(contact):
            pass

        courier = MaildirCourier()
        await courier.carry(tmp_path, "relay.example", consignment("bob@contoso.test"), before_data)
        shutil.rmtree(tmp_path / "contoso.test")
        (outcome,) = await courier.carry(tmp_path, "relay.example", consignment("bob@contoso.test"), before_data)
        assert isinstance(outcome, Delivered)
        await courier.close()

    asyncio.run(main())
