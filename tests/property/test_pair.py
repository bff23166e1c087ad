"""Our client against our server, without sockets: random transactions, cut anywhere, arrive as they were sent."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from staffetta.mail.address import Mailbox, parse_mailbox
from staffetta.mail.envelope import Envelope, Notify, Recipient, Ret
from staffetta.settings.model import Limits
from staffetta.smtp import reply
from staffetta.smtp.client import ClientSession
from staffetta.smtp.client_commands import mail_command, rcpt_command
from staffetta.smtp.events import ContentEnd, ContentPart, ContentStart, Mail, Rcpt, Refused, Reset, Want
from staffetta.smtp.reply import Reply
from staffetta.smtp.server import ServerSession
from staffetta.smtp.stuffing import FINAL_DOT, DotStuffer, stuff

REFUSALS = {
    450: Reply(450, "2.1", "mailbox busy"),
    550: Reply(550, "1.1", "no such mailbox"),
    554: Reply(554, "7.1", "refused"),
}


@dataclass
class Arrived:
    """What the server was told in one transaction."""

    mail: Mail
    recipients: list[Recipient] = field(default_factory=list)
    content: bytes = b""


class Pair:
    """Both sessions, and a wire that cuts what goes over it into pieces of the given sizes, again and again."""

    def __init__(self, sizes: list[int]) -> None:
        self.sizes = sizes
        self.client = ClientSession("client.example")
        self.server = ServerSession(
            hostname="server.example",
            client_address="192.0.2.1",
            limits=Limits(),
            is_tls_offered=False,
            session_id="test",
            postmaster_domain="server.example",
        )
        self.refusals: dict[Mailbox, int] = {}
        self.content_code = 250
        self.arrived: list[Arrived] = []
        self.kept: list[Arrived] = []
        self.server.greet()
        self.to_client()
        self.say(self.client.hello())

    def say(self, octets: bytes) -> None:
        """The client writes; everything that follows happens, until nothing is awaited."""
        for piece in self.pieces(octets):
            self.server.receive(piece)
            while not isinstance(event := self.server.next_event(), Want):
                self.answer(event)
            self.to_client()

    def to_client(self) -> None:
        for piece in self.pieces(self.server.outgoing()):
            self.client.receive(piece)

    def pieces(self, octets: bytes) -> list[bytes]:
        pieces, start, turn = [], 0, 0
        while start < len(octets):
            size = self.sizes[turn % len(self.sizes)] if self.sizes else len(octets)
            pieces.append(octets[start : start + size])
            start, turn = start + size, turn + 1
        return pieces

    def answer(self, event: object) -> None:
        match event:
            case Mail():
                self.arrived.append(Arrived(event))
                self.server.answer(reply.SENDER_OK)
            case Rcpt(recipient):
                refusal = self.refusals.get(recipient.mailbox)
                if refusal is None:
                    self.arrived[-1].recipients.append(recipient)
                self.server.answer(REFUSALS[refusal] if refusal else reply.RECIPIENT_OK)
            case ContentStart(is_chunked):
                self.server.answer(reply.OK if is_chunked else reply.START_MAIL_INPUT)
            case ContentPart(octets):
                self.arrived[-1].content += octets
            case ContentEnd(fault=fault):
                assert fault is None
                if self.content_code == 250:
                    self.kept.append(self.arrived[-1])
                self.server.answer(reply.OK if self.content_code == 250 else REFUSALS[self.content_code])
            case Reset():
                pass
            case Refused(line=b"DATA"):  # pipelined, and nobody was accepted
                assert not self.arrived[-1].recipients
            case _:
                raise AssertionError(event)


local_parts = st.from_regex(r"[a-z0-9+=_-]{1,12}", fullmatch=True)
recipients = st.builds(
    Recipient,
    local_parts.map(lambda local_part: parse_mailbox(f"{local_part}@example.org")),
    st.sampled_from([Notify.UNSPECIFIED, Notify.NEVER, Notify.SUCCESS, Notify.FAILURE | Notify.DELAY]),
    st.sampled_from([None, "rfc822;original+2Bone@example.net"]),
)
lines = st.one_of(st.sampled_from(["", ".", "..", ".x", "x."]), st.text(st.characters(codec="ascii"), max_size=30))
contents = st.lists(lines, max_size=12).map(
    lambda texts: (
        b"Subject: x\r\n\r\n"
        + b"".join(text.translate({0: None, 10: None, 13: None}).encode() + b"\r\n" for text in texts)
    )
)


@st.composite
def transactions(draw) -> dict[str, object]:
    people = draw(st.lists(recipients, min_size=1, max_size=4, unique_by=lambda recipient: recipient.mailbox))
    envelope = Envelope(
        draw(st.sampled_from([None, parse_mailbox("author@contoso.test")])),
        tuple(people),
        ret=draw(st.sampled_from([None, Ret.FULL, Ret.HEADERS])),
        envelope_id=draw(st.sampled_from([None, "QQ+3D1"])),
    )
    codes = draw(st.lists(st.sampled_from([None, None, 450, 550]), min_size=len(people), max_size=len(people)))
    return {
        "envelope": envelope,
        "codes": codes,
        "content": draw(contents),
        "content_code": draw(st.sampled_from([250, 250, 250, 450, 554])),
        "is_chunked": draw(st.booleans()),
        "piece": draw(st.one_of(st.none(), st.integers(1, 40))),
    }


def send(pair: Pair, envelope, codes, content, content_code, is_chunked, piece):
    """Carry one transaction as delivery/transport.py does, and return the client's account of it."""
    client = pair.client
    pair.refusals = {
        recipient.mailbox: code for recipient, code in zip(envelope.recipients, codes, strict=True) if code
    }
    pair.content_code = content_code
    mail = mail_command(envelope, client.capabilities, size=len(content), has_eight_bit=False)
    commands = [rcpt_command(recipient, client.capabilities) for recipient in envelope.recipients]
    transaction = client.open_transaction(mail, commands, is_chunked=is_chunked)
    while octets := client.next_commands():
        pair.say(octets)
        assert client.awaited is None
    if client.wants_content:
        wire = on_the_wire(client, content, is_chunked, piece) if transaction.accepted_count else FINAL_DOT
        client.content_complete()
        pair.say(wire)
    return transaction


def on_the_wire(client: ClientSession, content: bytes, is_chunked: bool, piece: int | None) -> bytes:
    if is_chunked:
        return client.chunk_head(len(content)) + content
    if piece is None:
        return stuff(content) + FINAL_DOT
    stuffer = DotStuffer()
    pieces = [stuffer.stuff(content[start : start + piece]) for start in range(0, len(content), piece)]
    return b"".join(pieces) + stuffer.end() + FINAL_DOT


@given(st.lists(transactions(), min_size=1, max_size=4), st.lists(st.integers(1, 30), max_size=5))
def test_transactions_arrive_as_they_were_sent(todo, sizes):
    pair = Pair(sizes)
    assert pair.client.capabilities.pipelining and pair.client.capabilities.dsn and pair.client.capabilities.chunking
    for each in todo:
        kept_before = len(pair.kept)
        transaction = send(pair, **each)
        envelope, codes = each["envelope"], each["codes"]
        assert pair.client.is_reusable
        assert [answer.code for answer in transaction.recipients] == [code or 250 for code in codes]
        arrived = pair.arrived[-1]
        assert (arrived.mail.reverse_path, arrived.mail.ret, arrived.mail.envelope_id) == (
            envelope.reverse_path,
            envelope.ret,
            envelope.envelope_id,
        )
        accepted = [recipient for recipient, code in zip(envelope.recipients, codes, strict=True) if not code]
        assert [(came.mailbox, came.notify) for came in arrived.recipients] == [
            (recipient.mailbox, recipient.notify) for recipient in accepted
        ]
        for came, sent in zip(arrived.recipients, accepted, strict=True):
            assert came.original == (
                sent.original or f"rfc822;{sent.mailbox.text.replace('+', '+2B').replace('=', '+3D')}"
            )
        if accepted:
            assert [answer.code for answer in transaction.final] == [each["content_code"]]
            assert arrived.content == each["content"]
        assert len(pair.kept) - kept_before == bool(accepted and each["content_code"] == 250)
