"""A road tried as mail would take it: what every step came to, and what was said."""

from staffetta.delivery.transcript import Direction, Transcript
from staffetta.delivery.validation import Step, Trial, validate
from staffetta.mail.address import parse_mailbox
from staffetta.settings.outbound import find_route
from tests.delivery_sockets.carrying import run, settings_for
from tests.delivery_sockets.fake_hop import FakeHop

SENDER = parse_mailbox("postmaster@contoso.test")
FRIENDS = (parse_mailbox("one@example.org"), parse_mailbox("two@example.org"))


async def tried(*hops: FakeHop, sends: bool) -> list[Step]:
    settings = settings_for(*hops)
    road = find_route(settings, "out")
    assert road is not None
    return await validate(Trial(road, SENDER, FRIENDS, sends=sends), settings)


def test_every_next_hop_is_connected_to_and_one_test_mail_goes_out():
    async def main():
        async with FakeHop().listening() as first, FakeHop().listening() as second:
            steps = await tried(first, second, sends=True)
            assert [step.is_successful for step in steps] == [True, True, True]
            assert steps[0].name == f"Check connectivity with 127.0.0.1:{first.port}"
            assert steps[2].name == "Send test email"
            assert "one@example.org: delivered by 127.0.0.1: 250 2.0.0 queued as 42" in steps[2].result
            (message,) = first.messages
            assert b"Subject: Validation of out" in message.content
            assert second.messages == []
            assert " C EHLO relay.example" in steps[0].transcript
            assert "octets of content)" in steps[2].transcript
            assert "Subject" not in steps[2].transcript

    run(main())


def test_a_dead_hop_fails_its_step_and_the_mail_takes_the_other():
    async def main():
        dead = FakeHop(script=lambda step, line: b"421 4.3.2 no\r\n" if step == "CONNECT" else None)
        async with dead.listening() as first, FakeHop().listening() as second:
            steps = await tried(first, second, sends=True)
            assert [step.is_successful for step in steps] == [False, True, True]
            assert steps[0].result == "4.3.2 421 4.3.2 no"
            assert len(second.messages) == 1

    run(main())


def test_a_probe_asks_for_the_recipients_and_sends_nothing():
    async def main():
        async with FakeHop().listening() as hop:
            (step,) = await tried(hop, sends=False)
            assert step.is_successful
            assert step.result.endswith("all recipients would be taken")
            assert [line.split()[0] for line in hop.lines if not line.startswith("QUIT")] == [
                "EHLO",
                "MAIL",
                "RCPT",
                "RCPT",
            ]
            assert hop.messages == []

    run(main())


def test_a_probe_tells_the_refusal_as_it_came():
    async def main():
        hop = FakeHop(script=lambda step, line: b"550 5.7.64 Relay Access Denied\r\n" if step == "RCPT" else None)
        async with hop.listening():
            (step,) = await tried(hop, sends=False)
            assert not step.is_successful
            assert step.result == "550 5.7.64 Relay Access Denied"

    run(main())


def test_credentials_are_left_out_of_a_transcript():
    transcript = Transcript(now=lambda: 0.0)
    transcript.sent(b"AUTH PLAIN AGEAaHVudGVyMg==\r\n")
    transcript.received(b"235 2.7.0 welcome\r\n")
    transcript.sent(b"auth login\r\n")
    transcript.received(b"334 VXNlcm5h")
    transcript.received(b"bWU6\r\n")
    transcript.sent(b"c2VjcmV0\r\n")
    transcript.received(b"334 UGFzc3dvcmQ6\r\n")
    transcript.sent(b"aHVudGVyMg==\r\n")
    transcript.received(b"535 5.7.8 no\r\n")
    transcript.sent(b"MAIL FROM:<a@b.test>\r\n", b"RCPT TO:<c@d.test>\r\n")
    assert [(entry.direction, entry.line) for entry in transcript.entries] == [
        (Direction.SENT, "AUTH PLAIN (credentials)"),
        (Direction.RECEIVED, "235 2.7.0 welcome"),
        (Direction.SENT, "auth login"),
        (Direction.RECEIVED, "334 VXNlcm5hbWU6"),
        (Direction.SENT, "(credentials)"),
        (Direction.RECEIVED, "334 UGFzc3dvcmQ6"),
        (Direction.SENT, "(credentials)"),
        (Direction.RECEIVED, "535 5.7.8 no"),
        (Direction.SENT, "MAIL FROM:<a@b.test>"),
        (Direction.SENT, "RCPT TO:<c@d.test>"),
    ]


def test_content_is_its_size_in_a_transcript():
    transcript = Transcript(now=lambda: 0.0)
    transcript.received(b"354 go ahead\r\n")
    transcript.sent(b"Subject: secret\r\n", b"\r\n.\r\n")
    transcript.received(b"250 ok\r\n")
    transcript.sent(b"BDAT 5 LAST\r\n", b"abc\r\n")
    assert [entry.line for entry in transcript.entries if entry.direction is Direction.SENT] == [
        "(22 octets of content)",
        "BDAT 5 LAST",
        "(5 octets of content)",
    ]
