"""A road tried as mail would take it: what every step came to, and what was said."""

from pathlib import Path
from typing import Any

import pytest

from staffetta.delivery.exchange import Exchange
from staffetta.delivery.transcript import Direction, Transcript
from staffetta.delivery.validation import Step, Trial, validate
from staffetta.mail.address import parse_mailbox
from staffetta.settings.model import Delivery, Dns, Settings
from staffetta.settings.outbound import find_route
from staffetta.settings.roads import Route, Transport
from tests.delivery_sockets.carrying import run, settings_for
from tests.delivery_sockets.fake_hop import FakeHop
from tests.delivery_sockets.test_graph import world
from tests.dns_server import DnsServer

SENDER = parse_mailbox("postmaster@contoso.test")
FRIENDS = (parse_mailbox("one@example.org"), parse_mailbox("two@example.org"))


async def tried(*hops: FakeHop, sends: bool, **keys: Any) -> list[Step]:
    settings = settings_for(*hops, **keys)
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
            await hop.closed.wait()
            assert [line.split()[0] for line in hop.lines] == ["EHLO", "MAIL", "RCPT", "RCPT", "RSET", "QUIT"]
            assert hop.messages == []
            for said in (" C RSET", " C QUIT", " S 250 "):
                assert said in step.transcript

    run(main())


def test_a_probe_tells_the_refusal_as_it_came():
    async def main():
        hop = FakeHop(script=lambda step, line: b"550 5.7.64 Relay Access Denied\r\n" if step == "RCPT" else None)
        async with hop.listening():
            (step,) = await tried(hop, sends=False)
            assert not step.is_successful
            assert step.result == "550 5.7.64 Relay Access Denied"

    run(main())


def test_a_probe_takes_back_what_was_refused_too():
    async def main():
        hop = FakeHop(script=lambda step, line: b"452 4.2.2 full\r\n" if "two@" in line else None)
        async with hop.listening():
            (step,) = await tried(hop, sends=False)
            assert (step.is_successful, step.result) == (False, "452 4.2.2 full")
            await hop.closed.wait()
            assert [line.split()[0] for line in hop.lines[-2:]] == ["RSET", "QUIT"]

    run(main())


@pytest.mark.parametrize("sends", [True, False])
def test_lmtp_in_the_file_system_is_tried(sends, tmp_path):
    async def main():
        hop = FakeHop(is_lmtp=True, path=str(tmp_path / "lmtp"))
        async with hop.listening():
            steps = await tried(hop, sends=sends, transport=Transport.LMTP)
            assert [(step.name, step.is_successful) for step in steps] == [
                (f"Check connectivity with {tmp_path}/lmtp", True),
                *([("Send test email", True)] if sends else []),
            ]
            assert " C LHLO relay.example" in steps[0].transcript
            assert len(hop.messages) == sends

    run(main())


def test_a_folder_of_mailboxes_is_looked_at_and_a_test_mail_is_put_there(tmp_path):
    def told(sends, path):
        steps = run(tried(sends=sends, transport=Transport.MAILDIR, path=path))
        return [(step.name.split("/")[0], step.is_successful) for step in steps]

    assert told(False, tmp_path / "mail") == [("Look at the folder ", True)]
    assert not (tmp_path / "mail").exists()
    assert told(True, tmp_path / "mail") == [("Look at the folder ", True), ("Send test email", True)]
    assert len(list((tmp_path / "mail" / "example.org" / "one" / "new").iterdir())) == 1
    (tmp_path / "file").touch()
    assert told(False, tmp_path / "file") == [("Look at the folder ", False)]


@pytest.mark.parametrize("sends", [True, False])
def test_exchangers_are_tried_one_by_one_for_each_domain(sends):
    async def main():
        hop = FakeHop()
        zone = {
            ("example.org", "MX"): ["10 one.example.org.", "20 two.example.org."],
            ("one.example.org", "A"): ["127.0.0.1"],
            ("two.example.org", "A"): ["127.0.0.2"],  # nobody listens there
        }
        async with hop.listening(), DnsServer(zone).listening() as dns:
            route = Route(name="out", transport=Transport.MX, allow_private_addresses=True)
            settings = Settings(
                hostname="relay.example",
                data_dir=Path("var"),
                routes=(route,),
                dns=Dns(servers=(dns.address,), timeout_seconds=dns.patience_seconds),
                delivery=Delivery(connect_timeout_seconds=2, reply_timeout_seconds=5),
            )
            recipients = (*FRIENDS, parse_mailbox("three@nowhere.example"))
            trial = Trial(route, SENDER, recipients, sends=sends)
            first, second, third, *rest = await validate(trial, settings, Exchange(port=hop.port))
        assert (first.name, first.is_successful) == (f"Check connectivity with one.example.org:{hop.port}", True)
        assert (second.name, second.is_successful) == (f"Check connectivity with two.example.org:{hop.port}", False)
        assert "Connection refused" in second.result
        assert (third.name, third.is_successful) == ("Find the mail exchangers of nowhere.example", False)
        assert third.result == "5.1.2 there is no domain nowhere.example"
        assert len(hop.messages) == sends
        if sends:
            (mail,) = rest
            assert "one@example.org: delivered by one.example.org" in mail.result
            assert "three@nowhere.example: failed: there is no domain" in mail.result
        else:
            assert rest == []
            assert any(line == "RSET" for line in hop.lines)

    run(main())


@pytest.mark.parametrize("sends", [True, False])
def test_graph_is_tried_by_its_token_and_a_test_mail(sends, monkeypatch):
    monkeypatch.setenv("GRAPH_SECRET", "hunter2")

    async def main():
        async with world(graph_mailbox="scanner@contoso.com") as made:
            settings = made.sender.settings
            scanner = parse_mailbox("scanner@contoso.com")
            steps = await validate(Trial(settings.routes[0], scanner, FRIENDS, sends=sends), settings)
            assert (steps[0].name, steps[0].is_successful) == ("Get an access token for 127.0.0.1", True)
            assert len(made.graph.sent) == sends
            if sends:
                assert (steps[1].name, steps[1].is_successful) == ("Send test email", True)
                assert "/users/scanner@contoso.com/sendMail, " in steps[1].transcript
                assert "Graph answered 202" in steps[1].transcript
            assert not any("Bearer" in step.transcript or "hunter2" in step.transcript for step in steps)

    run(main())


def test_graph_without_a_token_fails_before_anything_is_sent(monkeypatch):
    monkeypatch.setenv("GRAPH_SECRET", "wrong")

    async def main():
        async with world(graph_mailbox="scanner@contoso.com") as made:
            settings = made.sender.settings
            steps = await validate(Trial(settings.routes[0], SENDER, FRIENDS), settings)
            assert [step.is_successful for step in steps] == [False, False]
            assert "AADSTS7000215" in steps[0].result
            assert made.graph.sent == []

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
