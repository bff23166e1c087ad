"""What a peer sent does not steer the terminal of the administrator who reads it."""

from dataclasses import dataclass

import pytest

from staffetta.cli.tables import print_lines, print_table

SENT = {
    "colour": "\x1b[31mred\x1b[0m",
    "title": "\x1b]0;owned\x07",
    "eight-bit escape": "\x9b31m",
    "carriage return": "CN=evil\rCN=good",
    "line": "CN=evil\nconnector: good",
    "backspace": "evil\b\b\b\bgood",
    "right to left": "\u202egood",
}


@dataclass(frozen=True)
class Row:
    subject: str


@pytest.mark.parametrize("sent", SENT.values(), ids=SENT)
def test_cve_2003_0063_an_escape_sequence_is_shown_and_not_carried_out(
    sent: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_lines([sent])
    print_table({"subject": "Subject"}, [Row(sent)], if_empty="")
    shown = capsys.readouterr().out
    assert [character for character in shown.replace("\n", "") if not character.isprintable()] == []
    assert len(shown.splitlines()) == 3
