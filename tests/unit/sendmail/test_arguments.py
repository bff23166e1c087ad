"""What programs write behind `sendmail` is understood as sendmail and Postfix understand it."""

import pytest

from staffetta.sendmail.arguments import ArgumentError, Arguments, Mode, parse

CRON = "-i -FCronDaemon -B8BITMIME -oem root"
CASES = {
    "-t -i": Arguments(is_from_header=True, is_dot_content=True),
    "-ti": Arguments(is_from_header=True, is_dot_content=True),
    "-oi -oem -odb a@b.test": Arguments(recipients=["a@b.test"], is_dot_content=True),
    CRON: Arguments(recipients=["root"], full_name="CronDaemon", is_dot_content=True),
    "-f ada@b.test c@d.test": Arguments(recipients=["c@d.test"], sender="ada@b.test"),
    "-fada@b.test -- -odd@d.test": Arguments(recipients=["-odd@d.test"], sender="ada@b.test"),
    "-r ada@b.test -F Ada x": Arguments(recipients=["x"], sender="ada@b.test", full_name="Ada"),
    "-f <> x": Arguments(recipients=["x"], sender=""),
    "-N failure,delay -R hdrs -V QQ314159 x": Arguments(
        recipients=["x"], notify="FAILURE,DELAY", ret="HDRS", envelope_id="QQ314159"
    ),
    "-bs": Arguments(Mode.SPEAK_SMTP),
    "-bm x": Arguments(recipients=["x"]),
    "-bp": Arguments(Mode.LIST_QUEUE),
    "-bi": Arguments(Mode.NOTHING),
    "-q": Arguments(Mode.NOTHING),
    "-q15m": Arguments(Mode.NOTHING),
    "-v -n -m -U -G x": Arguments(recipients=["x"]),
    "-O DeliveryMode=b -C /etc/x.cf -X /dev/null x": Arguments(recipients=["x"]),
}


@pytest.mark.parametrize("line", CASES)
def test_options_mean_what_they_mean_elsewhere(line: str) -> None:
    assert parse("sendmail", line.split()) == CASES[line]


@pytest.mark.parametrize(("program", "mode"), [("mailq", Mode.LIST_QUEUE), ("newaliases", Mode.NOTHING)])
def test_the_name_it_is_called_by_says_what_to_do(program: str, mode: Mode) -> None:
    assert parse(program, []).mode is mode


def test_an_option_without_its_value_is_told() -> None:
    with pytest.raises(ArgumentError, match="-f lacks its value"):
        parse("sendmail", ["-t", "-f"])
