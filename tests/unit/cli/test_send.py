"""`staffetta send`: what is typed is what the server gets, and secrets stay off the command line."""

import json
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path

import pytest

from staffetta.cli.main import run
from tests.live.sink import EVERYTHING, Sink


@pytest.fixture
def sink() -> Iterator[Sink]:
    def reply(address: str) -> str:
        return "550 5.1.1 nobody" if address.startswith("no") else "250 2.1.5 ok"

    with Sink(*EVERYTHING, recipient_reply=reply) as sink:
        yield sink


def send(sink: Sink, *arguments: str) -> int:
    usual = ["--server", "127.0.0.1", "--port", str(sink.port), "--from", "Ada <ada@contoso.test>"]
    return run(["send", *usual, *arguments], serve=lambda _: 0)


def test_a_message_goes_out_with_everything_that_was_said(sink: Sink, tmp_path: Path) -> None:
    (tmp_path / "report.csv").write_text("a;b\n")
    status = send(
        sink,
        *(
            "--to",
            "bob@example.org",
            "--to",
            "Eve <eve@example.org>",
            "--cc",
            "c@example.org",
            "--bcc",
            "d@example.org",
        ),
        *("--subject", "Grüße", "--body", "<p>Hello</p>", "--html", "--attach", str(tmp_path / "report.csv")),
        *("--priority", "high", "--header", "X-Ticket: 4711", "--reply-to", "desk@contoso.test"),
        *("--notify", "success", "--notify", "failure", "--return", "headers", "--envelope-id", "test 1"),
    )
    assert status == 0
    (arrival,) = sink.wait_for(1)
    assert arrival.reverse_path.address == "ada@contoso.test"
    assert {"RET=HDRS", "ENVID=test+201"} <= set(arrival.reverse_path.parameters)
    assert [path.address.partition("@")[0] for path in arrival.recipients] == ["bob", "eve", "c", "d"]
    assert {path.parameters for path in arrival.recipients} == {("NOTIFY=SUCCESS,FAILURE",)}
    content = message_from_bytes(arrival.content, policy=SMTP)
    assert (content["Subject"], content["X-Ticket"], content["Bcc"]) == ("Grüße", "4711", None)
    assert content["Message-ID"].endswith("@contoso.test>")
    body, attachment = content.iter_parts()
    assert body.get_content_type() == "text/html"
    assert attachment.get_filename() == "report.csv"


def test_the_dialog_is_shown_with_times_and_ends_in_a_sentence(sink: Sink, capsys: pytest.CaptureFixture[str]) -> None:
    assert send(sink, "--to", "bob@example.org") == 0
    shown = capsys.readouterr().out.splitlines()
    assert any(line[2:3] == ":" and line[12:].startswith(" C MAIL FROM:<ada@contoso.test>") for line in shown)
    assert shown[-1].startswith("Accepted") and "bob@example.org" in shown[-1]


def test_somebody_refused_is_exit_status_1(sink: Sink, capsys: pytest.CaptureFixture[str]) -> None:
    assert send(sink, "--to", "bob@example.org", "--to", "no@example.org") == 1
    assert "Refused for no@example.org: 550 5.1.1 nobody" in capsys.readouterr().out


def test_json_is_for_programs(sink: Sink, capsys: pytest.CaptureFixture[str]) -> None:
    assert send(sink, "--to", "bob@example.org", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["accepted"] == ["bob@example.org"] and shown["refused"] == {}
    assert {"C", "S", "*"} == {entry["direction"] for entry in shown["transcript"]}


def test_only_asking_leaves_nothing_behind(sink: Sink, capsys: pytest.CaptureFixture[str]) -> None:
    assert send(sink, "--to", "bob@example.org", "--only-ask") == 0
    assert "It would be taken for bob@example.org." in capsys.readouterr().out
    assert sink.arrivals == []


def test_a_whole_message_is_sent_as_it_is(sink: Sink, tmp_path: Path) -> None:
    (tmp_path / "mail.eml").write_bytes(b"Subject: as it is\n\nText\r\n.dot\n")
    assert send(sink, "--to", "bob@example.org", "--eml", str(tmp_path / "mail.eml"), "--null-sender") == 0
    (arrival,) = sink.wait_for(1)
    assert arrival.content == b"Subject: as it is\r\n\r\nText\r\n.dot\r\n"
    assert arrival.reverse_path.address == ""


MISTAKES = [
    (("--to", "nobody"), 64, "somebody@example.org"),
    (("--to", "a@b.example", "--header", "no field"), 64, "X-Ticket: 4711"),
    (("--to", "a@b.example", "--notify", "never", "--notify", "delay"), 64, "never stands alone"),
    (("--to", "a@b.example", "--attach", "/nonexistent/file"), 66, "/nonexistent/file: No such file"),
    (("--to", "a@b.example", "--user", "ada"), 64, "--password-file"),
    (("--to", "a@b.example", "--user", "ada", "--mechanism", "xoauth2"), 64, "--token-file"),
]


@pytest.mark.parametrize(("arguments", "status", "told"), MISTAKES)
def test_a_mistake_is_told_with_what_to_write(
    sink: Sink, arguments: tuple[str, ...], status: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert send(sink, *arguments) == status
    assert told in capsys.readouterr().err
    assert sink.arrivals == []
