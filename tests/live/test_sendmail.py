"""Programs that know nothing but `sendmail` send through the relay, whether it runs or not."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from staffetta.sendmail.dropping import FOLDER_MODE, drop, dropped
from staffetta.sendmail.letter import Letter
from tests.live.conftest import need
from tests.live.relay import PATIENCE_SECONDS, Relay, open_folder
from tests.live.sink import EVERYTHING, Arrival, Sink

pytestmark = pytest.mark.live

MESSAGE = b"To: bob@contoso.test\nSubject: from a script\nMessage-ID: <%s@contoso.test>\n\nhello\n.\nnot this\n"


class Machine:
    """A relay, a next hop behind it, and the programs before it."""

    def __init__(self, folder: Path, sink: Sink) -> None:
        self.folder, self.sink, self.drop = folder, sink, folder / "drop"
        self.relay = Relay(folder, sink.port)
        self.relay.config.write_text('drop = "drop"\n' + self.relay.config.read_text())
        place = folder / "sendmail.toml"
        place.write_text(f'server = "127.0.0.1:{self.relay.port}"\ndrop = "drop"\ndomain = "contoso.test"\n')
        root = Path(__file__).parents[2]
        settings = f"export PYTHONPATH={root} STAFFETTA_SENDMAIL={place} STAFFETTA_CONFIG={self.relay.config}\n"
        for name in ("sendmail", "mailq"):
            program = folder / name
            code = f"import sys; sys.argv[0] = {name!r}; from staffetta.cli.sendmail import main; main()"
            program.write_text(f'#!/bin/sh\n{settings}exec {sys.executable} -c "{code}" "$@"\n')
            program.chmod(0o755)

    @property
    def sendmail(self) -> str:
        return str(self.folder / "sendmail")

    def wait_for_folder(self) -> None:
        """Wait until the relay has made the drop folder."""
        self._wait(lambda: self.drop.exists() and self.drop.stat().st_mode & 0o7777 == FOLDER_MODE)

    def wait_until_empty(self) -> None:
        """Wait until all that was dropped has been picked up."""
        self._wait(lambda: dropped(self.drop) == [])

    def _wait(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            assert time.monotonic() < deadline, self.relay.log
            time.sleep(0.05)

    def run(self, *command: str, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(command, input=given, capture_output=True, timeout=2 * PATIENCE_SECONDS, cwd=self.folder)

    def arrived(self, token: bytes) -> list[Arrival]:
        """Wait for a message that holds this, and return all that do."""
        found = self.sink.wait_until(lambda arrivals: any(token in each.content for each in arrivals))
        return [each for each in found if token in each.content]


@pytest.fixture
def machine() -> Iterator[Machine]:
    folder = open_folder()
    with Sink(*EVERYTHING) as sink:
        machine = Machine(folder, sink)
        yield machine
        machine.relay.kill()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_script_sends_through_the_relay(machine: Machine) -> None:
    machine.relay.start()
    done = machine.run(machine.sendmail, "-t", "-f", "ada@contoso.test", given=MESSAGE % b"one")
    assert (done.returncode, done.stderr) == (0, b"")
    (arrival,) = machine.arrived(b"one@contoso.test")
    assert arrival.reverse_path.address == "ada@contoso.test"
    assert arrival.content.endswith(b"\r\n\r\nhello\r\n")
    assert not machine.drop.exists() or dropped(machine.drop) == []


REFUSED = [
    ("-f ada@contoso.test x@[192.0.2.1]", 77, b"550 5.7."),
    ("-f eve@evil.test x@fabrikam.test", 77, b"550 5.7."),
    ("-t", 65, b"no recipient"),
    ("-f", 64, b"lacks its value"),
]


def test_what_the_relay_refuses_is_said_at_once(machine: Machine) -> None:
    machine.relay.start()
    for line, status, words in REFUSED:
        done = machine.run(machine.sendmail, *line.split(), given=b"Subject: s\n\nx\n")
        assert (done.returncode, words in done.stderr) == (status, True), done.stderr


def test_mail_sent_while_the_relay_is_down_goes_out_once_it_is_up(machine: Machine) -> None:
    machine.relay.start()
    machine.wait_for_folder()
    machine.relay.stop()
    machine.relay.kill()
    done = machine.run(machine.sendmail, "-t", "-f", "ada@contoso.test", given=MESSAGE % b"late")
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(dropped(machine.drop)) == 1
    machine.relay.start()
    assert len(machine.arrived(b"late@contoso.test")) == 1
    machine.wait_until_empty()


def test_mail_of_a_user_without_rights_is_taken_and_no_other_reads_it(machine: Machine) -> None:
    need(None if os.getuid() == 0 else "only root can be two users")
    machine.relay.start()
    machine.wait_for_folder()
    machine.relay.stop()
    machine.relay.kill()
    # Its rights go once it is loaded: the tests' Python may lie where nobody else can read.
    place = f"STAFFETTA_SENDMAIL={machine.folder}/sendmail.toml"
    send = (
        "import encodings.idna, os, sys; from staffetta.cli.sendmail import run\n"
        "os.setgroups([]); os.setresgid(*3 * [65534]); os.setresuid(*3 * [65534])\n"
        "sys.exit(run('sendmail', ['-t', '-f', 'ada@contoso.test']))"
    )
    done = machine.run("env", place, sys.executable, "-c", send, given=MESSAGE % b"nobody")
    assert (done.returncode, done.stderr) == (0, b"")
    (file,) = dropped(machine.drop)
    assert file.owner == 65534
    other = ("setpriv", "--reuid", "65533", "--regid", "65533", "--clear-groups")
    assert machine.run(*other, "ls", str(machine.drop)).returncode != 0
    assert machine.run(*other, "cat", str(file.path)).returncode != 0
    assert machine.run(*other, "rm", "-f", str(file.path)).returncode != 0
    machine.relay.start()
    assert len(machine.arrived(b"nobody@contoso.test")) == 1


def test_what_the_relay_has_already_is_not_handed_in_again(machine: Machine) -> None:
    """As it is found after a power cut between the spool's commit and the file's end."""
    machine.relay.start()
    machine.wait_for_folder()
    before = time.time()
    machine.run(machine.sendmail, "-t", "-f", "ada@contoso.test", given=MESSAGE % b"twice")
    machine.arrived(b"twice@contoso.test")
    content = b"Message-ID: <twice@contoso.test>\r\n\r\nhello\r\n"
    same = Letter("ada@contoso.test", ("bob@contoso.test",), content, written_at=before)
    drop(machine.drop, same, is_doubtful=True, began_at=before)
    lost = Letter("ada@contoso.test", ("bob@contoso.test",), content.replace(b"twice", b"lost"), written_at=before)
    drop(machine.drop, lost, is_doubtful=True, began_at=before)
    machine.wait_until_empty()
    assert len(machine.arrived(b"<lost@contoso.test>")) == 1
    assert len(machine.arrived(b"<twice@contoso.test>")) == 1


def test_what_is_refused_later_comes_back_to_its_sender(machine: Machine) -> None:
    machine.relay.start()
    machine.wait_for_folder()
    content = b"Message-ID: <bad@contoso.test>\r\nSubject: s\r\n\r\nhello\r\n"
    drop(machine.drop, Letter("ada@contoso.test", ("x@[192.0.2.1]",), content, written_at=time.time()))
    drop(machine.drop, Letter("", ("x@[192.0.2.1]",), content, written_at=time.time()))
    (machine.drop / ("0" * 32 + ".mail")).write_bytes(b"nonsense\n")
    (machine.drop / ("0" * 32 + ".mail")).chmod(0o740)
    (notification,) = machine.arrived(b"Final-Recipient: rfc822; x@[192.0.2.1]")
    assert notification.reverse_path.address == ""
    assert b"Status: 5.7." in notification.content
    machine.wait_until_empty()
    assert len(list((machine.drop / "aside").iterdir())) == 2


def test_smtp_can_be_spoken_on_standard_input(machine: Machine) -> None:
    machine.relay.start()
    lines = b"EHLO here\r\nMAIL FROM:<ada@contoso.test>\r\nRCPT TO:<bob@contoso.test>\r\nQUIT\r\n"
    done = machine.run(machine.sendmail, "-bs", given=lines)
    assert done.returncode == 0
    assert [line[:4] for line in done.stdout.splitlines()][-3:] == [b"250 ", b"250 ", b"221 "]
    machine.relay.kill()
    done = machine.run(machine.sendmail, "-bs", given=lines)
    assert (done.returncode, done.stdout[:9]) == (75, b"421 4.3.2")


def test_the_queue_is_listed_as_programs_know_it(machine: Machine) -> None:
    machine.sink.recipient_reply = lambda address: "451 4.3.0 not now"
    machine.relay.start()
    assert machine.run(str(machine.folder / "mailq")).stdout == b"Mail queue is empty\n"
    machine.run(machine.sendmail, "-t", "-f", "ada@contoso.test", given=MESSAGE % b"waits")
    listed = machine.run(machine.sendmail, "-bp").stdout.decode()
    assert "ada@contoso.test" in listed
    assert " bob@contoso.test" in listed
    assert listed.endswith("in 1 Request.\n")


def test_php_sends(machine: Machine) -> None:
    need(None if shutil.which("php") else "php is not installed (php-cli)")
    machine.relay.start()
    code = 'exit(mail("bob@contoso.test", "from PHP", "hello", "From: ada@contoso.test") ? 0 : 1);'
    path = f"sendmail_path={machine.sendmail} -t -i -f ada@contoso.test"
    done = machine.run("php", "-d", path, "-r", code)
    assert done.returncode == 0, done.stdout
    assert b"Subject: from PHP" in machine.arrived(b"from PHP")[0].content


def test_mailutils_sends(machine: Machine) -> None:
    need(None if shutil.which("mail.mailutils") else "mail is not installed (mailutils)")
    machine.relay.start()
    command = ("mail.mailutils", "-E", f"set sendmail=sendmail:{machine.sendmail}", "-r", "ada@contoso.test")
    done = machine.run(*command, "-s", "from mailutils", "bob@contoso.test", given=b"hello\n")
    assert done.returncode == 0, done.stderr
    assert b"hello" in machine.arrived(b"from mailutils")[0].content


def test_cron_mails_what_a_job_says(machine: Machine) -> None:
    """In a file system view of its own, where /usr/sbin/sendmail is ours, and with a crontab of one job at start."""
    need(None if shutil.which("cron") else "cron is not installed")
    need(None if os.getuid() == 0 else "only root can start cron")
    machine.relay.start()
    jobs = machine.folder / "crontabs"
    jobs.mkdir(mode=0o1730)
    (jobs / "root").write_text("MAILTO=bob@contoso.test\n@reboot echo said by a job\n")
    (jobs / "root").chmod(0o600)
    view = (
        f"mount --bind {machine.sendmail} /usr/sbin/sendmail && mount --bind {jobs} /var/spool/cron/crontabs"
        " && mount -t tmpfs tmpfs /run"
        " && for other in /etc/crontab /etc/cron.d/*; do mount --bind /dev/null $other; done"
        " && exec cron -f"
    )
    cron = subprocess.Popen(["unshare", "--mount", "sh", "-c", view], start_new_session=True)
    try:
        (arrival,) = machine.arrived(b"said by a job")
    finally:
        os.killpg(cron.pid, signal.SIGTERM)
        cron.wait(PATIENCE_SECONDS)
    assert arrival.recipients[0].address == "bob@contoso.test"
