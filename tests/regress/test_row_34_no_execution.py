"""Row 34: an address is data (CVE-2019-10149 Exim; CVE-2020-7247, CVE-2020-8794 OpenSMTPD; path traversal, CWE-22)."""

import ast
import asyncio
from pathlib import Path

import pytest

import staffetta
from staffetta.delivery.maildir import mailbox_folder
from staffetta.mail.address import parse_mailbox
from staffetta.settings.objects import AcceptedDomain
from staffetta.settings.roads import Route, Transport
from tests.regress.relay import STRANGER, relay

HOSTILE = [
    '"../../x"',
    '"../../../../../../tmp/x"',
    '".."',
    '"."',
    '""',
    '" "',
    ".".join(["x"] * 32),
    '"x/../../y"',
    '"/etc/passwd"',
    "/etc/passwd",
    "x/y",
    "|cmd",
    '"|/bin/sh -c id"',
    '"`id`"',
    "`id`",
    "$(id)",
    '"$(touch x)"',
    "${run{id}}",
    '"${run{/bin/sh${substr{10}{1}{$tod_log}}-c${substr{10}{1}{$tod_log}}id}}"',
    '";sleep 66;"',
    "-oQ/tmp",
    "-be",
    "--",
    "~root",
    "*",
    '"*?[a-z]"',
    '":2,S"',
    ":include:/etc/passwd",
    '"C:\\\\windows"',
    '".hidden"',
    '"new"',
    "tmp",
    "con",
    "a" * 64,
    '"' + "/" * 62 + '"',
    '"' + "\\/" * 31 + '"',
    "ö",
    "ж" * 32,
    "\u023a" * 32,  # its lower case takes three octets, which are nine characters of a file name
    "\u0130" * 32,
    "\U0001f4e7" * 16,
    "a\u0301",
    "\u2025\u2044\u2025\u2044x",  # two dot leader, fraction slash
    "\uff0e\uff0e\uff0fx",
    "%2e%2e%2fx",
]


@pytest.mark.parametrize("local_part", HOSTILE, ids=repr)
def test_row_34_a_hostile_local_part_reaches_its_own_folder_or_none(local_part: str, tmp_path: Path) -> None:
    """It is refused at RCPT, or delivered below the route's folder, and delivery to its neighbours goes on."""
    root = tmp_path / "mail" / "boxes"
    maildir = Route(name="boxes", transport=Transport.MAILDIR, path=root)

    async def main() -> None:
        domain = AcceptedDomain(name="contoso.test", route="boxes")
        async with relay(accepted_domains=(domain,), routes=(maildir,), default_route=None) as running:
            client = await running.connect(source=STRANGER)
            rcpt = f"RCPT TO:<{local_part}@contoso.test>\n"
            _, answer, other, _ = await client.say(
                f"MAIL FROM:<mallory@foreign.example> SMTPUTF8\n{rcpt}RCPT TO:<bob@contoso.test>\nDATA\n", 4
            )
            assert other.startswith("250") and answer[0] in "25", answer
            assert (await client.say("Subject: x\n\nx\n.\n"))[0].startswith("250")
            await running.settled()
            states = [str(kept.state) for kept in running.spool.recipients.values()]
            assert states == ["delivered"] * (2 if answer.startswith("250") else 1)
            assert len(list((root / "contoso.test" / "bob" / "new").iterdir())) == 1

    asyncio.run(main())
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert 1 <= len(files) <= 2
    for path in files:
        domain, box, new, _ = path.relative_to(root).parts
        assert ((domain, new) == ("contoso.test", "new") and box[0] not in ".-~") or box.startswith("-")
        assert len(box.encode()) <= 255 and not path.is_symlink()


def test_row_34_two_long_names_have_two_folders(tmp_path: Path) -> None:
    """A name that is shortened for the file system stays its own."""
    one = mailbox_folder(tmp_path, parse_mailbox("\u023a" * 31 + "a@contoso.test"))
    other = mailbox_folder(tmp_path, parse_mailbox("\u023a" * 31 + "b@contoso.test"))
    same = mailbox_folder(tmp_path, parse_mailbox("\u2c65" * 20 + "@contoso.test"))
    assert one != other and one.parent == other.parent == same.parent == tmp_path / "contoso.test"


FORBIDDEN = {"subprocess", "multiprocessing", "pty", "pickle", "marshal", "shelve", "commands"}
FORBIDDEN_CALLS = {
    *("eval", "exec", "system", "popen", "execv", "execve", "spawnv", "fork"),
    *("create_subprocess_shell", "create_subprocess_exec"),
}
# The demo starts relays, and `staffetta setup` systemd's tools, with command lines of their own that no mail touches;
# the relay itself never imports them.
# A worker's settings come in memory that only its supervisor had, and a restart runs the program that runs already.
ALLOWED = {
    ("demo/stage.py", "subprocess"),
    ("installing/plan.py", "subprocess"),
    ("handing.py", "pickle"),
    ("renewal.py", "execv"),
    ("renewal.py", "create_subprocess_exec"),  # it is asked first whether it would start
}
NOT_A_SHELL = {"generate_completion"}  # its `shell` says for which one a completion is written
MAY_IMPORT_THEM = {"demo", "installing", "cli"}


def test_row_34_nothing_in_the_product_starts_a_program_or_runs_text() -> None:
    """No shell, no string expansion of mail data: the modules and calls that could are not there."""
    found = []
    product = Path(staffetta.__file__).parent
    for path in product.rglob("*.py"):
        place = path.relative_to(product).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name.split(".")[0] for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [(node.module or "").split(".")[0]]
            elif isinstance(node, ast.Call):
                called = node.func
                is_method = isinstance(called, ast.Attribute)
                name = called.attr if is_method else called.id if isinstance(called, ast.Name) else ""
                is_shell = name not in NOT_A_SHELL and any(keyword.arg == "shell" for keyword in node.keywords)
                is_allowed = (place, name) in ALLOWED
                is_wrong = is_shell or (name in FORBIDDEN_CALLS and not is_allowed)
                found += [f"{path.name}:{node.lineno}: {name}"] * is_wrong
            wrong = [name for name in names if name in FORBIDDEN and (place, name) not in ALLOWED]
            found += [f"{path.name}:{node.lineno}: {name}" for name in wrong]
    assert found == []


def test_row_34_what_may_start_a_program_is_out_of_the_relays_reach() -> None:
    product = Path(staffetta.__file__).parent
    importers = {
        path.relative_to(product).parts[0]
        for path in product.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith(("staffetta.demo", "staffetta.installing"))
    }
    assert importers <= MAY_IMPORT_THEM
