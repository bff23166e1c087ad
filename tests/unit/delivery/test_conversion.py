"""Eight-bit content made 7-bit, part by part; read back by the standard library's parser."""

import asyncio
import contextlib
import email
import email.policy
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffetta.delivery.conversion import to_seven_bit
from staffetta.delivery.mime_walk import ConversionError
from staffetta.mail.content import MemoryContent

TEXT = "caffè, perché no?\r\n=equals and trailing space \r\n.\r\n" + "così " * 60 + "\r\n"


class Streamed:
    """Content in pieces of three octets."""

    whole = None

    def __init__(self, octets: bytes) -> None:
        self.octets, self.size = octets, len(octets)

    async def chunks(self) -> AsyncIterator[bytes]:
        for start in range(0, self.size, 3):
            yield self.octets[start : start + 3]


async def read(content) -> bytes:
    return b"".join([chunk async for chunk in content.chunks()])


def convert(octets: bytes) -> bytes:
    """Convert whole and streamed, which must be the same, and return the result."""

    async def both():
        whole = await to_seven_bit(MemoryContent(octets))
        streamed = await to_seven_bit(Streamed(octets))
        converted = await read(streamed)
        assert streamed.size == len(converted)
        assert await read(whole) == converted
        return converted

    return asyncio.run(both())


def parts_of(octets: bytes) -> list[bytes]:
    """The decoded bodies of the leaves, in order."""
    message = email.message_from_bytes(octets, policy=email.policy.SMTP)
    return [part.get_payload(decode=True) for part in message.walk() if not part.is_multipart()]


def single(headers: str, body: bytes) -> bytes:
    return ("MIME-Version: 1.0\r\n" + headers).encode() + b"\r\n" + body


def test_seven_bit_content_is_not_touched():
    content = MemoryContent(b"Subject: x\r\n\r\nplain\r\n")
    assert asyncio.run(to_seven_bit(content)) is content


def test_text_becomes_quoted_printable_with_the_same_meaning_and_short_lines():
    octets = single("Content-Type: text/plain;\r\n charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n", TEXT.encode())
    converted = convert(octets)
    assert converted.isascii()
    assert parts_of(converted) == [TEXT.encode()]
    assert max(map(len, converted.split(b"\r\n"))) <= 76
    assert b"\n" not in converted.replace(b"\r\n", b"") and b"\r" not in converted.replace(b"\r\n", b"")
    assert (
        b"Content-Type: text/plain;\r\n charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        in converted
    )


def test_other_types_become_base64():
    body = bytes(octet for octet in range(1, 256) if octet not in b"\r\n") + b"\r\n"
    octets = single("Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n", body)
    converted = convert(octets)
    assert converted.isascii()
    assert parts_of(converted) == [body]


MULTIPART = (
    "MIME-Version: 1.0\r\nSubject: parts\r\nContent-Transfer-Encoding: 8bit\r\n"
    'Content-Type: multipart/mixed; boundary="a b"\r\n\r\npreamble\r\n'
    "--a b\r\n\r\nplain\r\n"
    "--a b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<p>è</p>\r\n"
    "--a b\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n--in\r\n\r\nà\r\n--in--\r\nepilogue\r\n"
    "--a b\r\nContent-Type: image/x\r\n\r\nì\r\n\r\n"
    "--a b\r\nContent-Type: message/rfc822\r\n\r\nSubject: within\r\nMIME-Version: 1.0\r\n\r\nù\r\n"
    "--a b--\r\nafter\r\n"
).encode()


def test_each_part_keeps_its_octets_and_only_those_with_eight_bits_are_encoded():
    converted = convert(MULTIPART)
    assert converted.isascii()
    assert parts_of(converted) == [b"plain", "<p>è</p>".encode(), "à".encode(), "ì\r\n".encode(), "ù".encode()]
    assert converted.count(b"Content-Transfer-Encoding: quoted-printable") == 3
    assert converted.count(b"Content-Transfer-Encoding: base64") == 1
    assert b"Subject: parts\r\nContent-Type: multipart/mixed" in converted
    assert b"Content-Transfer-Encoding: 8bit" not in converted
    assert b"preamble\r\n--a b\r\n\r\nplain\r\n--a b\r\n" in converted and converted.endswith(b"--a b--\r\nafter\r\n")


def test_content_without_mime_is_labelled_unknown_8bit():
    converted = convert("Subject: old\r\n\r\nperché\r\n".encode("latin-1"))
    assert converted == (
        b"Subject: old\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\nperch=E9\r\n"
    )


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ("Subject: perché\r\n", "x\r\n"),
        ("Content-Transfer-Encoding: base64\r\n", "perché\r\n"),
        ("Content-Type: multipart/mixed\r\n", "perché\r\n"),
        ("Content-Type: multipart/mixed; boundary=b\r\n", "perché\r\n--b\r\n\r\nx\r\n--b--\r\n"),
        ("Content-Type: multipart/mixed; boundary=b\r\n", "--b\r\n\r\nx\r\n--b--\r\nperché\r\n"),
        ("Content-Type: multipart/signed; boundary=b\r\n", "--b\r\n\r\nperché\r\n--b\r\n\r\nsig\r\n--b--\r\n"),
        ("Content-Type: message/partial\r\n", "perché\r\n"),
        ("Content-Type: message/rfc822\r\n", "Subject: perché\r\n\r\nx\r\n"),
    ],
)
def test_what_cannot_be_converted_safely_is_refused(headers, body):
    with pytest.raises(ConversionError):
        convert(single(headers, body.encode()))


def test_parts_nested_without_end_are_refused():
    nest = b"".join(b"--%d\r\nContent-Type: multipart/mixed; boundary=%d\r\n\r\n" % (n, n + 1) for n in range(200))
    with pytest.raises(ConversionError):
        convert(single("Content-Type: multipart/mixed; boundary=0\r\n", nest + "è".encode()))


@given(st.lists(st.text(st.characters(blacklist_characters="\r\n\0", blacklist_categories=("Cs",)), max_size=200)))
def test_any_text_survives(lines):
    body = "".join(line + "\r\n" for line in lines).encode()
    octets = single("Content-Type: text/plain; charset=utf-8\r\n", body)
    assert parts_of(convert(octets)) == [body]


@given(st.binary(max_size=400))
def test_no_octets_make_it_fail_in_another_way(octets):
    canonical = octets.replace(b"\r", b"").replace(b"\n", b"\r\n")
    for prefix in (b"", b"Content-Type: multipart/mixed; boundary=\x2d\r\n\r\n", MULTIPART[:300]):
        with contextlib.suppress(ConversionError):
            assert convert(prefix + canonical).isascii()
