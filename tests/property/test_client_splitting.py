"""However a server's replies are cut into pieces, the client makes the same of them."""

from dataclasses import astuple

from hypothesis import given
from hypothesis import strategies as st

from staffetta.smtp.client import ClientSession
from staffetta.smtp.remote_reply import RemoteProtocolError

MAIL, RCPTS = b"MAIL FROM:<a@b.c>\r\n", (b"RCPT TO:<d@e.f>\r\n", b"RCPT TO:<g@h.i>\r\n")

line_texts = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=("Cs",)), max_size=12)
codes = st.sampled_from([220, 250, 251, 354, 421, 450, 452, 500, 550, 552, 554])


@st.composite
def replies(draw) -> bytes:
    """One reply, usually a good one."""
    if draw(st.integers(0, 19)) == 0:
        return draw(st.binary(max_size=10)) + b"\r\n"
    code, texts = draw(codes), draw(st.lists(line_texts, min_size=1, max_size=3))
    marks = ["-"] * (len(texts) - 1) + [" "]
    end = draw(st.sampled_from(["\r\n", "\r\n", "\n"]))
    return "".join(f"{code}{mark}{text}{end}" for mark, text in zip(marks, texts, strict=True)).encode()


def pieces_of(octets: bytes, sizes: list[int]) -> list[bytes]:
    pieces, start = [], 0
    for size in sizes:
        pieces.append(octets[start : start + size])
        start += size
    return [*pieces, octets[start:]]


class Run:
    """Drives a session to the end of one transaction, with the replies to each of its writes in pieces."""

    def __init__(self, conversation: list[bytes], sizes: list[int], *, is_lmtp: bool) -> None:
        self.session = ClientSession("relay.example", is_lmtp=is_lmtp)
        self.conversation = iter(conversation)
        self.sizes = sizes
        self.written: list[bytes] = []
        self.error: str | None = None
        try:
            self.converse()
        except RemoteProtocolError as error:
            self.error = str(error)

    def exchange(self, octets: bytes) -> None:
        self.written.append(octets)
        while self.session.awaited is not None:
            reply = next(self.conversation, None)
            if reply is None:
                return
            for piece in pieces_of(reply, self.sizes):
                self.session.receive(piece)

    def converse(self) -> None:
        session = self.session
        self.exchange(b"")
        self.exchange(session.hello())
        session.open_transaction(MAIL, RCPTS, is_chunked=session.capabilities.chunking)
        while session.awaited is None and (octets := session.next_commands()):
            self.exchange(octets)
        if session.awaited is None and session.wants_content:
            session.content_complete()
            self.exchange(b".\r\n")

    @property
    def result(self) -> tuple[object, ...]:
        session = self.session
        transaction = astuple(session.transaction) if session.transaction else None
        return self.written, self.error, transaction, session.closing_reply, session.capabilities, session.awaited


@given(
    st.sampled_from(
        [b"250 hop\r\n", b"250-hop\r\n250 PIPELINING\r\n", b"250-hop\r\n250-CHUNKING\r\n250 PIPELINING\r\n"]
    ),
    st.lists(st.lists(replies(), min_size=1, max_size=4).map(b"".join), max_size=8),
    st.lists(st.integers(0, 9), max_size=12),
    st.booleans(),
)
def test_pieces_make_no_difference(ehlo, conversation, sizes, is_lmtp):
    whole = Run([b"220 hop\r\n", ehlo, *conversation], [], is_lmtp=is_lmtp)
    cut = Run([b"220 hop\r\n", ehlo, *conversation], sizes, is_lmtp=is_lmtp)
    single = Run([b"220 hop\r\n", ehlo, *conversation], [1] * 2000, is_lmtp=is_lmtp)
    assert whole.result == cut.result == single.result
