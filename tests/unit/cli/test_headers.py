"""`staffetta headers`."""

import json
from pathlib import Path

import pytest

from staffetta.cli.main import run
from staffetta.settings.file import load
from tests.unit.operations.mail import kept

TEXT = (
    "> Received: from relay.contoso.com (203.0.113.7) by mx.example with ESMTPS id 2; Fri, 3 Sep 2021 02:42:11 +0000\n"
    "> Received: from app (10.1.2.3) by relay.contoso.com with ESMTP id 1; Fri, 3 Sep 2021 00:32:11 +0000\n"
    "> Subject: \x1b[31mred\n"
)


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "late.txt"
    path.write_text(TEXT, encoding="utf-8")
    return str(path)


def headers(*arguments: str) -> int:
    return run(["headers", *arguments], serve=lambda _: 0)


def test_the_hops_are_drawn_and_nothing_reaches_the_terminal(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert headers(file) == 0
    shown = capsys.readouterr().out
    assert "2 h 10 min" in shown and "█" in shown and "Hop 2 waited" in shown
    assert "\x1b" not in shown


def test_json_has_hops_and_findings(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert headers("--json", file) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [hop["received"]["by_name"] for hop in shown["hops"]] == ["relay.contoso.com", "mx.example"]
    assert shown["hops"][1]["delay_seconds"] == 7800
    assert shown["findings"][0]["reference"] == "RFC 5321 §4.4"


def test_html_is_a_page(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert headers("--html", file) == 0
    assert capsys.readouterr().out.startswith("<!DOCTYPE html>")


def test_compatible_mode_shows_what_microsofts_analyzer_shows(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(file).write_text(TEXT.replace("> ", ""), encoding="utf-8")
    assert headers("--compat", "mha", file) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["totalTime"] == "130 minutes"


def test_what_cannot_be_read_is_told(tmp_path: Path, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert headers(str(tmp_path / "none")) == 66
    (tmp_path / "empty").write_text("", encoding="utf-8")
    assert headers(str(tmp_path / "empty")) == 66
    assert "Paste the message's source" in capsys.readouterr().err
    assert headers("--json", "--html", file) == 64


def test_a_message_that_waits_is_analyzed_by_its_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "relay.toml"
    config.write_text('hostname = "relay.example"\ndata_dir = "var"\n', encoding="utf-8")
    queue_id = kept(load(config), "bob@fabrikam.com")
    assert headers("--id", queue_id, "--config", str(config)) == 0
    assert "Hello" in capsys.readouterr().out
    assert headers("--id", "0GZ6Q1Y2W4X8A", "--config", str(config)) == 66
    assert headers("--id", queue_id) == 64


def test_trusted_hosts_come_from_the_settings_unless_they_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, message = tmp_path / "relay.toml", tmp_path / "late.eml"
    config.write_text(
        'hostname = "relay.example"\ndata_dir = "var"\n[header_analysis]\ntrusted_hosts = ["*.example"]\n',
        encoding="utf-8",
    )
    message.write_text("Authentication-Results: mx.example; spf=pass smtp.mailfrom=a.example\n", encoding="utf-8")

    def is_trusted(*options: str) -> bool:
        assert headers("--json", "--config", str(config), *options, str(message)) == 0
        return bool(json.loads(capsys.readouterr().out)["verdicts"][0]["is_trusted"])

    assert is_trusted()
    assert not is_trusted("--trust", "other.example")


def test_offline_nothing_is_computed_and_it_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = tmp_path / "signed.eml"
    message.write_text("DKIM-Signature: v=1; d=contoso.com; s=s1\nFrom: a@contoso.com\n\nbody\n", encoding="utf-8")
    assert headers("--offline", str(message)) == 0
    assert "Signatures were not recomputed: nobody was to be asked" in " ".join(capsys.readouterr().out.split())
