"""What is printed reads as what it was: addresses, envelopes in commands, replies, content on the wire."""

from hypothesis import given
from hypothesis import strategies as st

from staffetta.mail.address import AddressError, Mailbox, parse_mailbox
from staffetta.mail.envelope import Recipient
from staffetta.mail.xtext import encode_xtext
from staffetta.smtp.body import DataReader, Gatherer
from staffetta.smtp.grammar import parse_mail, parse_rcpt
from staffetta.smtp.remote_reply import ReplyReader
from staffetta.smtp.reply import Reply
from staffetta.smtp.stuffing import FINAL_DOT, DotStuffer, stuff

ATOMS = st.text("abcXYZ019!#$%&'*+/=?^_`{|}~-öж", min_size=1, max_size=8)
LOCAL_PARTS = st.one_of(
    st.lists(ATOMS, min_size=1, max_size=3).map(".".join),
    st.text('abc @,:;<>()[]."\\', max_size=10).map(
        lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    ),
)
DOMAINS = st.one_of(
    st.lists(st.from_regex(r"[a-zA-Z]([a-zA-Z0-9]{0,6}[a-z])?", fullmatch=True), min_size=1, max_size=4).map(".".join),
    st.ip_addresses(v=4).map(lambda address: f"[{address}]"),
    st.ip_addresses(v=6).map(lambda address: f"[IPv6:{address}]"),
)
TEXTS = st.tuples(LOCAL_PARTS, DOMAINS).map("@".join)
LINES = st.lists(st.text("ab.", max_size=4), max_size=8)


@given(LOCAL_PARTS, DOMAINS)
def test_address_keeps_its_octets_and_its_parts(local_part: str, domain: str) -> None:
    mailbox = parse_mailbox(f"{local_part}@{domain}")
    assert str(mailbox) == f"{local_part}@{domain}"
    assert mailbox.local_part == local_part
    assert parse_mailbox(f"{mailbox.local_part}@{mailbox.domain}").domain == mailbox.domain


@given(st.text('ab@.<>"\\:[]()%! \0\r\nö＠。', max_size=12))
def test_whatever_is_taken_for_an_address_is_printed_as_it_came(text: str) -> None:
    try:
        mailbox = parse_mailbox(text)
    except AddressError:
        return
    assert mailbox.text == text
    assert text.rpartition("@")[0] == mailbox.local_part


@given(TEXTS, st.integers(0, 10**20 - 1), st.text(st.characters(codec="ascii"), min_size=1, max_size=30))
def test_mail_command_reads_as_it_was_written(text: str, size: int, envelope_id: str) -> None:
    written = f"FROM:<{text}> SIZE={size} SMTPUTF8 ENVID={encode_xtext(envelope_id)}"
    mail = parse_mail(written.encode())
    assert mail.reverse_path == parse_mailbox(text)
    assert (mail.size, mail.smtputf8, mail.envelope_id) == (size, True, encode_xtext(envelope_id))


@given(TEXTS, st.text(st.characters(codec="ascii"), min_size=1, max_size=30))
def test_rcpt_command_reads_as_it_was_written(text: str, original: str) -> None:
    written = f"TO:<{text}> ORCPT=rfc822;{encode_xtext(original)}"
    recipient = parse_rcpt(written.encode(), smtputf8=True, postmaster_domain="contoso.test")
    mailbox: Mailbox = parse_mailbox(text)
    assert recipient == Recipient(mailbox, original=f"rfc822;{encode_xtext(original)}")


@given(
    st.sampled_from([220, 250, 354, 421, 452, 550, 554]),
    st.lists(st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126)), min_size=1, max_size=4),
)
def test_reply_reads_as_it_was_written(code: int, texts: list[str]) -> None:
    (read,) = ReplyReader().receive(Reply(code, None, texts[0], tuple(texts[1:])).wire)
    assert (read.code, list(read.lines)) == (code, texts)


@given(LINES, st.lists(st.integers(1, 5), min_size=1, max_size=10), st.booleans())
def test_content_passes_the_wire_unchanged(lines: list[str], sizes: list[int], is_stuffed_in_pieces: bool) -> None:
    content = "".join(f"{line}\r\n" for line in lines).encode()
    wire = (stuffed_in_pieces(content, sizes) if is_stuffed_in_pieces else stuff(content)) + FINAL_DOT
    gatherer = Gatherer(size_max=1000, part_octets=1000)
    reader = DataReader(gatherer)
    rest = None
    for piece in pieces(wire + b"QUIT\r\n", sizes):
        rest = reader.read(piece) if rest is None else rest + piece
    assert rest == b"QUIT\r\n"
    assert (gatherer.part(is_end=True), gatherer.size, gatherer.fault) == (content, len(content), None)


def stuffed_in_pieces(content: bytes, sizes: list[int]) -> bytes:
    stuffer = DotStuffer()
    return b"".join(stuffer.stuff(piece) for piece in pieces(content, sizes)) + stuffer.end()


def pieces(octets: bytes, sizes: list[int]) -> list[bytes]:
    cut, start = [], 0
    while start < len(octets):
        size = sizes[len(cut) % len(sizes)]
        cut.append(octets[start : start + size])
        start += size
    return cut
