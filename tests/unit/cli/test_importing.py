"""`staffetta import`: what is printed and written, and the exit status."""

import io
from pathlib import Path

import pytest

from staffetta.cli.main import run

MAIN = "myhostname = mail.contoso.test\nmydestination =\nrelayhost = [192.0.2.1]\nheader_checks = regexp:/x\n"


def command(*arguments: object) -> int:
    return run([str(argument) for argument in arguments], serve=lambda _: 99)


def test_postfix_is_printed_or_written_and_check_takes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main, written = tmp_path / "main.cf", tmp_path / "staffetta.toml"
    main.write_text(MAIN, encoding="utf-8")
    (tmp_path / "master.cf").write_text("2525 inet n - y - - smtpd\n", encoding="utf-8")
    assert command("import", "postfix", main) == 0
    printed = capsys.readouterr()
    assert "#   header_checks: the relay does not look into content\n" in printed.out
    assert "are left to you" in printed.err
    assert ':2525"' in printed.out
    assert command("import", "postfix", main, "--output", written) == 0
    assert written.read_text(encoding="utf-8") == printed.out
    assert command("check", "--config", written) == 0
    assert command("import", "postfix", main, "--output", written) == 74  # never over what is there


def test_postconf_comes_by_standard_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(MAIN.encode())))
    assert command("import", "postfix", "-", "--domain", "Contoso.test", "--hostname", "unused.test") == 0
    assert 'hostname = "mail.contoso.test"' in capsys.readouterr().out


@pytest.mark.parametrize(("text", "status"), [("[[listeners]]\n", 78), ("", 78), (None, 74)])
def test_what_cannot_be_read_is_told(
    tmp_path: Path, text: str | None, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (tmp_path / "main.cf").write_text(text, encoding="utf-8")
    assert command("import", "postfix", tmp_path / "main.cf") == status
    assert capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_exports_of_powershell_are_read_as_it_writes_them(
    tmp_path: Path, encoding: str, capsys: pytest.CaptureFixture[str]
) -> None:
    receive, iis = tmp_path / "receive.json", tmp_path / "iis.json"
    receive.write_text('{"Name": "Büro", "Bindings": "0.0.0.0:25", "RemoteIPRanges": "192.0.2.7"}', encoding=encoding)
    iis.write_text('{"Name": "SmtpSvc/1", "SmartHost": "192.0.2.1", "ServerBindings": ":25:"}', encoding=encoding)
    assert command("import", "exchange", receive, "--hostname", "relay.contoso.test") == 0
    assert 'hostname = "relay.contoso.test"' in capsys.readouterr().out
    assert command("import", "iis", iis, "--hostname", "relay.contoso.test") == 0
    assert '[{ host = "192.0.2.1" }]' in capsys.readouterr().out
