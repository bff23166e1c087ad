"""Large attachments travel apart, and what arrives is what was sent."""

import asyncio
import base64
import binascii
import random
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP

import pytest

from staffetta.delivery.mime_attachments import attachments, choose, skeleton, survey
from staffetta.mail.content import MemoryContent

LARGE = random.Random(1).randbytes(300_000)
OTHER = random.Random(2).randbytes(100_000)


def message(*files: tuple[str, str, bytes], text: str | None = "Hello.\n") -> EmailMessage:
    made = EmailMessage(policy=SMTP)
    made["Subject"] = "scan"
    made["To"] = "b@example.org"
    if text is not None:
        made.set_content(text)
    for name, kind, octets in files:
        made.add_attachment(octets, *kind.split("/"), filename=name)
    return made


def taken_apart(content: bytes, octets_max: int) -> tuple[bytes, dict[str, bytes]]:
    """The skeleton, and by name what was taken out."""

    async def scenario() -> tuple[bytes, dict[str, bytes]]:
        whole = MemoryContent(content)
        found = await survey(whole)
        taken = choose(found, len(content), octets_max)
        assert taken is not None
        files = {each.number: b"" for each in taken}
        async for number, octets in attachments(whole, taken):
            files[number] += octets
        assert {each.number: each.size for each in taken} == {number: len(file) for number, file in files.items()}
        return await skeleton(whole, found, taken), {each.name: files[each.number] for each in taken}

    return asyncio.run(scenario())


def names(content: bytes) -> list[str]:
    return [part.get_filename() or part.get_content_type() for part in message_from_bytes(content, policy=SMTP).walk()]


def test_the_largest_goes_first_and_only_as_many_as_must() -> None:
    made = message(("small.bin", "application/octet-stream", OTHER), ("scan.pdf", "application/pdf", LARGE)).as_bytes()
    rest, files = taken_apart(made, 200_000)
    assert files == {"scan.pdf": LARGE}
    assert names(rest) == ["multipart/mixed", "text/plain", "small.bin"]
    assert b"Subject: scan\r\n" in rest
    rest, files = taken_apart(made, 5_000)
    assert files == {"scan.pdf": LARGE, "small.bin": OTHER}
    assert names(rest) == ["multipart/mixed", "text/plain"]


def test_what_is_small_enough_stays_octet_for_octet() -> None:
    made = message(("scan.pdf", "application/pdf", OTHER)).as_bytes()
    assert taken_apart(made, 1_000_000) == (made, {})


def test_a_picture_of_the_text_keeps_the_name_that_the_text_calls_it_by() -> None:
    made = message(text="Hello.\n")
    made.add_alternative("<img src='cid:logo'>", subtype="html")
    html = made.get_payload()[1]
    html.add_related(LARGE, "image", "png", cid="<logo>", disposition="inline")
    found = asyncio.run(survey(MemoryContent(made.as_bytes())))
    assert found.attachments == ()  # within an alternative it stays
    related = message(text=None)
    related.set_content("<img src='cid:logo'>", subtype="html")
    related.add_related(LARGE, "image", "png", cid="<logo>", disposition="inline")
    (picture,) = asyncio.run(survey(MemoryContent(related.as_bytes()))).attachments
    assert (picture.is_inline, picture.content_id, picture.size) == (True, "logo", len(LARGE))


@pytest.mark.parametrize("kind", ["multipart/signed", "multipart/encrypted", "multipart/report"])
def test_what_is_signed_encrypted_or_a_report_stays_whole(kind: str) -> None:
    made = message(("scan.pdf", "application/pdf", LARGE)).as_bytes().replace(b"multipart/mixed", kind.encode())
    assert asyncio.run(survey(MemoryContent(made))).attachments == ()


def test_a_message_within_the_message_stays_whole_and_what_follows_may_go() -> None:
    outer = message(text="See below.\n")
    outer.add_attachment(message(("inner.pdf", "application/pdf", OTHER)))
    outer.add_attachment(LARGE, "application", "pdf", filename="outer.pdf")
    rest, files = taken_apart(outer.as_bytes(), 200_000)
    assert files == {"outer.pdf": LARGE}
    assert names(rest)[-1] == "inner.pdf"


def test_a_message_that_is_nothing_but_a_file_keeps_its_fields_and_an_empty_text() -> None:
    bare = EmailMessage(policy=SMTP)
    bare["Subject"] = "scan"
    bare.set_content(LARGE, "application", "pdf", filename="scan.pdf")
    rest, files = taken_apart(bare.as_bytes(), 5_000)
    assert files == {"scan.pdf": LARGE}
    assert (names(rest), b"Subject: scan\r\n" in rest) == (["text/plain"], True)


def test_no_multipart_is_left_without_parts() -> None:
    made = message(("a.pdf", "application/pdf", LARGE), ("b.pdf", "application/pdf", LARGE), text=None)
    rest, files = taken_apart(made.as_bytes(), 5_000)
    assert list(files) == ["a.pdf", "b.pdf"]
    assert names(rest) == ["multipart/mixed", "text/plain"]


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
def test_a_text_file_comes_out_as_it_went_in(encoding: str) -> None:
    text = b"".join(b"line %d = \xc3\xa9\r\n" % number for number in range(20_000)) + b"no end"
    head = b"Content-Type: multipart/mixed; boundary=x\r\nMIME-Version: 1.0\r\n\r\n--x\r\n\r\nHello.\r\n--x\r\n"
    fields = f"Content-Disposition: attachment; filename=log.txt\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    lines = base64.encodebytes(text).replace(b"\n", b"\r\n")
    body = {"base64": lines, "quoted-printable": binascii.b2a_qp(text), "8bit": text}[encoding]
    _, files = taken_apart(head + fields.encode() + body + b"\r\n--x--\r\n", 5_000)
    assert files["log.txt"] == text


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("attachment; filename*=utf-8''r%C3%A9sum%C3%A9.pdf", "résumé.pdf"),
        ('attachment; filename="../../etc/passwd"', "....etcpasswd"),
        ('attachment; filename="=?utf-8?q?r=C3=A9sum=C3=A9=2Epdf?="', "résumé.pdf"),
        ("attachment", "attachment-1"),
    ],
)
def test_names_are_read_and_made_harmless(field: str, name: str) -> None:
    head = "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: application/pdf\r\n"
    content = f"{head}Content-Disposition: {field}\r\n\r\n%PDF\r\n--x--\r\n".encode()
    (found,) = asyncio.run(survey(MemoryContent(content))).attachments
    assert found.name.lstrip(".") == name.lstrip(".")
    assert "/" not in found.name


def test_a_text_that_is_too_large_by_itself_cannot_be_made_smaller() -> None:
    made = message(text="x" * 50 + "\n" + "y\n" * 20_000).as_bytes()
    assert choose(asyncio.run(survey(MemoryContent(made))), len(made), 5_000) is None
