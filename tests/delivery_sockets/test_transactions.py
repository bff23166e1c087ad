"""What reaches a next hop that behaves, and what it is told."""

from collections.abc import AsyncIterator

import pytest

from staffetta.mail.address import parse_mailbox
from staffetta.mail.envelope import BodyType, Notify, Recipient, Ret
from staffetta.mail.outcome import Delivered, Failed, Handover, Stage
from staffetta.settings.roads import Transport
from tests.delivery_sockets.carrying import CONTENT, Sender, consignment, run, settings_for
from tests.delivery_sockets.fake_hop import ALL_CAPABILITIES, FakeHop


class StreamedContent:
    """Content that is not in memory, in pieces of a given size."""

    def __init__(self, octets: bytes, piece: int) -> None:
        self._octets, self._piece = octets, piece

    @property
    def size(self) -> int:
        return len(self._octets)

    @property
    def whole(self) -> bytes | None:
        return None

    async def chunks(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._octets), self._piece):
            yield self._octets[start : start + self._piece]


async def carry(hop: FakeHop, what=None, **options):
    async with hop.listening():
        sender = Sender(settings_for(hop, **options))
        return await sender.send_and_close(what), sender


def test_content_arrives_octet_for_octet_with_its_dots():
    hop = FakeHop()
    (outcome,), sender = run(carry(hop))
    assert isinstance(outcome, Delivered)
    assert (outcome.status, outcome.diagnostic) == ("2.0.0", "250 2.0.0 queued as 42")
    assert (outcome.stage, outcome.is_remote_reply, outcome.address) == (Stage.FINAL_DOT, True, "127.0.0.1")
    assert [message.content for message in hop.messages] == [CONTENT]
    assert sender.announced == ["127.0.0.1"]


@pytest.mark.parametrize("without", ["PIPELINING", "CHUNKING", None])
@pytest.mark.parametrize("piece", [1, 7, 1000, 1 << 20])
def test_streamed_content_is_stuffed_across_its_pieces(without, piece):
    content = b"Subject: dots\r\n\r\n" + b".\r\n..\r\nx\r\n.y\r\n" * 20
    hop = FakeHop(capabilities=[name for name in ALL_CAPABILITIES if name != without])
    run(carry(hop, consignment(content=StreamedContent(content, piece))))
    assert hop.messages[0].content == content


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("capabilities", [ALL_CAPABILITIES, ("PIPELINING", "8BITMIME"), ()])
def test_large_content_arrives_by_bdat_or_data(is_streamed, capabilities):
    content = b"Subject: large\r\n\r\n" + b"." * 70 + b"\r\n" + b"0123456789.\r\n.\r\n" * 40_000
    hop = FakeHop(capabilities=capabilities)
    what = consignment(content=StreamedContent(content, 250_000) if is_streamed else content)
    run(carry(hop, what))
    assert hop.messages[0].content == content
    assert any(line.startswith("BDAT") for line in hop.lines) == ("CHUNKING" in capabilities)


def test_a_missing_line_end_at_the_end_of_content_is_added():
    hop = FakeHop()
    run(carry(hop, consignment(content=b"Subject: x\r\n\r\nno end")))
    assert hop.messages[0].content == b"Subject: x\r\n\r\nno end\r\n"


def test_one_transaction_carries_all_recipients_and_each_has_its_own_outcome():
    hop = FakeHop(script=lambda step, line: b"550 5.1.1 no such user\r\n" if "<nobody@" in line else None)
    (first, second, third), _ = run(carry(hop, consignment("a@example.org", "nobody@example.org", "c@example.org")))
    assert isinstance(first, Delivered) and isinstance(third, Delivered)
    assert isinstance(second, Failed)
    assert (second.status, second.diagnostic, second.stage) == ("5.1.1", "550 5.1.1 no such user", Stage.RCPT)
    assert len(hop.messages) == 1


def test_after_354_with_nobody_accepted_a_lone_dot_is_sent_and_the_connection_serves_on():
    def script(step, line):
        if "<nobody@" in line:
            return b"550 5.1.1 no such user\r\n"
        return b"354 go ahead\r\n" if step == "DATA" else None

    async def main():
        hop = FakeHop(script=script)
        async with hop.listening():
            sender = Sender(settings_for(hop))
            (outcome,) = await sender.send(consignment("nobody@example.org"))
            assert isinstance(outcome, Failed)
            (outcome,) = await sender.send_and_close(consignment("somebody@example.org"))
            assert isinstance(outcome, Delivered)
        assert hop.connections == 1
        assert [message.content for message in hop.messages] == [b"", CONTENT]

    run(main())


def test_more_recipients_than_every_server_must_take_go_in_several_transactions_announced_once():
    hop = FakeHop()
    outcomes, sender = run(carry(hop, consignment(*(f"r{number}@example.org" for number in range(250)))))
    assert len(outcomes) == 250 and all(isinstance(outcome, Delivered) for outcome in outcomes)
    assert [len(message.recipients) for message in hop.messages] == [100, 100, 50]
    assert hop.connections == 1
    assert sender.announced == ["127.0.0.1"]


def test_without_pipelining_commands_are_sent_one_at_a_time_and_in_order():
    hop = FakeHop(capabilities=())
    outcomes, _ = run(carry(hop, consignment("a@example.org", "b@example.org")))
    assert all(isinstance(outcome, Delivered) for outcome in outcomes)
    assert [line.split()[0] for line in hop.lines] == ["EHLO", "MAIL", "RCPT", "RCPT", "DATA", "QUIT"]


def test_helo_is_said_where_ehlo_is_refused():
    hop = FakeHop(script=lambda step, line: b"502 what?\r\n" if step == "EHLO" else None)
    (outcome,), _ = run(carry(hop))
    assert isinstance(outcome, Delivered)
    assert hop.lines[:3] == ["EHLO relay.example", "HELO relay.example", "MAIL FROM:<author@contoso.test>"]


def test_dsn_parameters_are_carried_on_where_the_hop_has_dsn():
    recipients = (
        Recipient(parse_mailbox("a@example.org"), Notify.SUCCESS | Notify.DELAY, "rfc822;first+2Bone@example.net"),
        Recipient(parse_mailbox("b+c@example.org"), Notify.NEVER),
        Recipient(parse_mailbox("d@example.org")),
    )
    hop = FakeHop()
    outcomes, _ = run(carry(hop, consignment(*recipients, ret=Ret.HEADERS, envelope_id="QQ+3D1")))
    assert {outcome.handover for outcome in outcomes} == {Handover.PASSED_ON}
    assert hop.messages[0].mail.endswith(" RET=HDRS ENVID=QQ+3D1")
    assert hop.messages[0].recipients == [
        "RCPT TO:<a@example.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;first+2Bone@example.net",
        "RCPT TO:<b+c@example.org> NOTIFY=NEVER ORCPT=rfc822;b+2Bc@example.org",
        "RCPT TO:<d@example.org> ORCPT=rfc822;d@example.org",
    ]


def test_without_dsn_the_message_is_relayed_and_no_parameter_is_sent():
    hop = FakeHop(capabilities=("PIPELINING",))
    recipient = Recipient(parse_mailbox("a@example.org"), Notify.SUCCESS, "rfc822;a@example.org")
    (outcome,), _ = run(carry(hop, consignment(recipient, ret=Ret.FULL, envelope_id="x")))
    assert outcome.handover is Handover.RELAYED
    assert hop.lines[1:3] == ["MAIL FROM:<author@contoso.test>", "RCPT TO:<a@example.org>"]


def test_the_null_reverse_path_is_sent_empty():
    hop = FakeHop(capabilities=())
    run(carry(hop, consignment(reverse_path=None)))
    assert hop.messages[0].mail == "MAIL FROM:<>"


def test_a_message_above_the_announced_size_fails_here_and_is_never_announced():
    hop = FakeHop(capabilities=("PIPELINING", "SIZE 20"))
    (outcome,), sender = run(carry(hop))
    assert isinstance(outcome, Failed)
    assert outcome.status == "5.3.4"
    assert sender.announced == [] and hop.messages == []


def test_eight_bit_content_is_declared_to_a_hop_that_has_8bitmime():
    content = "Subject: x\r\n\r\nperché\r\n".encode()
    hop = FakeHop()
    run(carry(hop, consignment(content=content, body=BodyType.EIGHT_BIT_MIME)))
    assert f"SIZE={len(content)} BODY=8BITMIME" in hop.messages[0].mail
    assert hop.messages[0].content == content


@pytest.mark.parametrize("is_streamed", [False, True])
def test_eight_bit_content_is_converted_for_a_hop_without_8bitmime(is_streamed):
    content = (
        b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        + "perché no\r\n".encode()
    )
    hop = FakeHop(capabilities=("PIPELINING", "SIZE"))
    what = consignment(content=StreamedContent(content, 10) if is_streamed else content)
    (outcome,), _ = run(carry(hop, what))
    assert isinstance(outcome, Delivered)
    arrived = hop.messages[0].content
    assert arrived.endswith(b"Content-Transfer-Encoding: quoted-printable\r\n\r\nperch=C3=A9 no\r\n")
    assert hop.messages[0].mail.endswith(f"SIZE={len(arrived)}")


def test_content_that_cannot_be_converted_fails_with_its_own_status():
    hop = FakeHop(capabilities=())
    (outcome,), _ = run(carry(hop, consignment(content="Subject: perché\r\n\r\nx\r\n".encode())))
    assert isinstance(outcome, Failed)
    assert outcome.status == "5.6.3"


def test_a_recipient_that_needs_smtputf8_fails_alone():
    hop = FakeHop(capabilities=("PIPELINING", "8BITMIME"))
    what = consignment("josé@example.org", "plain@example.org", "user@bücher.example", smtputf8=True)
    (first, second, third), _ = run(carry(hop, what))
    assert isinstance(first, Failed) and first.status == "5.6.7"
    assert isinstance(second, Delivered) and isinstance(third, Delivered)
    assert hop.messages[0].recipients == ["RCPT TO:<plain@example.org>", "RCPT TO:<user@xn--bcher-kva.example>"]


def test_an_internationalised_header_fails_without_smtputf8_and_passes_with_it():
    what = consignment(content="Subject: perché\r\n\r\nx\r\n".encode(), smtputf8=True)
    hop = FakeHop(capabilities=("8BITMIME",))
    (outcome,), _ = run(carry(hop, what))
    assert isinstance(outcome, Failed) and outcome.status == "5.6.7"
    hop = FakeHop()
    (outcome,), _ = run(carry(hop, what))
    assert isinstance(outcome, Delivered)
    assert hop.messages[0].mail.endswith(" SMTPUTF8")


def test_lmtp_gives_every_recipient_its_own_final_reply():
    def script(step, line):
        return b"452 4.2.2 mailbox full\r\n" if step == "CONTENT" and "<full@" in line else None

    hop = FakeHop(script=script, is_lmtp=True, capabilities=("PIPELINING",))
    what = consignment("a@contoso.test", "full@contoso.test", "c@contoso.test")
    (first, second, third), _ = run(carry(hop, what, transport=Transport.LMTP))
    assert isinstance(first, Delivered) and first.handover is Handover.FINAL
    assert second.status == "4.2.2"
    assert isinstance(third, Delivered)
    assert hop.lines[0] == "LHLO relay.example"


def test_lmtp_may_be_a_socket_in_the_file_system(tmp_path):
    hop = FakeHop(is_lmtp=True, path=str(tmp_path / "lmtp"))
    (outcome,), _ = run(carry(hop, transport=Transport.LMTP))
    assert isinstance(outcome, Delivered)
    assert (outcome.host, outcome.address) == (hop.path, None)


def test_a_route_that_the_settings_no_longer_have_defers():
    sender = Sender(settings_for())
    sender.settings = sender.settings.model_copy(update={"routes": ()})
    (outcome,) = run(sender.send_and_close())
    assert (outcome.status, outcome.stage, outcome.is_destination_trouble) == ("4.3.5", Stage.ROUTE, True)
