"""Rows 11 and 12: guessing passwords gets nowhere, and nothing that we answer tells who exists."""

import base64
import re

import pytest

from staffetta.net.tls import ServerContext
from staffetta.policy.guessing import ACCOUNT
from staffetta.reception.authentication import Authenticator
from staffetta.settings import passwords
from tests.reception_sockets.dialog import Client, listening, run
from tests.reception_sockets.test_authentication import ACCOUNTS, PAIR, Pauses, plain, secured, submission

KNOWN, UNKNOWN = "scanner@contoso.test", "nobody@contoso.test"
CREDENTIALS = base64.b64encode(b"\0scanner@contoso.test\0right horse").decode()


@pytest.mark.parametrize("line", [f"AUTH PLAIN {CREDENTIALS}\n", "AUTH PLAIN\n", "AUTH LOGIN\n", "AUTH XOAUTH2\n"])
def test_row_11_no_password_is_asked_for_before_tls(line: str) -> None:
    """Not announced in clear, and not taken: right credentials hear what wrong ones would."""

    async def main() -> None:
        async with listening(
            tls=ServerContext.load(*PAIR),
            declared={"kind": "submission"},
            changed={"accounts": ACCOUNTS},
        ) as bench:
            client = await bench.connect()
            await client.reply()
            client.send(b"EHLO client.example\r\n")
            assert "AUTH" not in await announced(client)
            (answer,) = await client.say(line)
            assert answer[:3] in ("530", "538"), answer

    run(main)


async def announced(client: Client) -> str:
    lines = []
    while not lines or lines[-1][3] == "-":
        lines.append((await client.reader.readline()).decode())
    return "".join(lines)


def test_row_11_three_failures_end_the_session() -> None:
    async def main() -> None:
        async with submission() as bench:
            client = await secured(bench)
            answers = [(await client.say(plain(KNOWN, f"guess {number}")))[0][:3] for number in range(2)]
            client.send(plain(KNOWN, "guess 3").replace("\n", "\r\n").encode())
            assert answers == ["535", "535"]
            assert (await client.rest()).splitlines()[-1].startswith("421 ")

    run(main)


def test_row_11_guesses_at_once_by_many_connections_and_ports_are_as_many_guesses() -> None:
    """A guess counts from its beginning, and one authenticator stands behind every listener."""

    async def main() -> None:
        authenticator = Authenticator(pause=Pauses(), clock=lambda: 0.0)
        async with submission(authenticator) as one, submission(authenticator) as other:
            clients = [await secured((one, other)[number % 2]) for number in range(int(ACCOUNT.level_max) + 4)]
            for number, client in enumerate(clients):
                client.send(plain(KNOWN, f"guess {number}").replace("\n", "\r\n").encode())
            codes = [(await client.reply())[:3] for client in clients]
            assert (codes.count("535"), codes.count("454")) == (ACCOUNT.level_max, 4)

    run(main)


def test_row_12_unknown_and_wrong_cost_one_hash_each_and_get_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes the time is the hash: it is computed as often for whom nobody knows, and over the same parameters."""
    hashed: list[str] = []
    verify = passwords.verify

    def counted(encoded: str, password: bytes) -> bool:
        hashed.append(encoded.rsplit("$", 2)[0])
        return verify(encoded, password)

    monkeypatch.setattr(passwords, "verify", counted)
    one_device = ACCOUNTS[0].model_copy(update={"password_hashes": ACCOUNTS[0].password_hashes[:1]})

    async def tried(name: str) -> tuple[str, list[float]]:
        pauses = Pauses()
        async with submission(Authenticator(pause=pauses, clock=lambda: 0.0), accounts=(one_device,)) as bench:
            (answer,) = await (await secured(bench)).say(plain(name, "left horse"))
        return re.sub(r"\[.*", "", answer), pauses.seconds

    async def main() -> None:
        assert await tried(KNOWN) == await tried(UNKNOWN)
        assert len(hashed) == 2 and hashed[0] == hashed[1]

    run(main)


@pytest.mark.parametrize("verb", ["VRFY", "EXPN"])
def test_row_12_vrfy_and_expn_say_the_same_of_everybody(verb: str) -> None:
    async def main() -> None:
        async with submission() as bench:
            client = await secured(bench)
            names = [KNOWN, UNKNOWN, "postmaster", "root", "<scanner@contoso.test>", "a" * 300]
            answers = {(await client.say(f"{verb} {name}\n"))[0] for name in names}
            assert len(answers) == 1 and answers.pop()[:3] in ("252", "502")

    run(main)
