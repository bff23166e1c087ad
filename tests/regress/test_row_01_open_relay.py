"""Row 1: no spelling of an address turns the relay into an open one (open relay tests since the MAPS days)."""

import asyncio

import pytest

from tests.regress.relay import INSIDER, OFFICE, OUTSIDER, STRANGER, relay

FOREIGN = "mallory@foreign.example"
SPELLINGS = [
    "eve@outside.example",
    "eve@OUTSIDE.EXAMPLE",
    "eve@outside.example.",
    '"eve"@outside.example',
    "eve%outside.example@contoso.test",
    "eve%outside.example@relay.contoso.test",
    "eve%outside.example@[127.0.0.1]",
    "eve%outside.example@localhost",
    "eve%outside.example",
    '"eve%outside.example"@contoso.test',
    "outside.example!eve@contoso.test",
    "outside.example!eve",
    '"outside.example!eve"@contoso.test',
    "@contoso.test:eve@outside.example",
    "@contoso.test,@relay.contoso.test:eve@outside.example",
    "@relay.contoso.test:eve@outside.example",
    '"eve@outside.example"@contoso.test',
    '"eve@outside.example"',
    '"eve\\@outside.example"@contoso.test',
    '"<eve@outside.example>"@contoso.test',
    "eve@outside.example@contoso.test",
    "eve@contoso.test@outside.example",
    "eve@@outside.example",
    "eve@outside.example,bob@contoso.test",
    "eve@outside.example bob@contoso.test",
    "eve@outside.example;bob@contoso.test",
    "bob@contoso.test,eve@outside.example",
    "eve(@contoso.test)@outside.example",
    "eve@outside.example(@contoso.test)",
    "eve\uff20outside.example",
    "eve\uff20outside.example@contoso.test",
    "eve@outside\uff0eexample",
    "eve@contoso\u3002test",
    "eve@contoso\uff0etest",
    "eve@contoso.te\u017ft",  # long s, which NFKC makes an s
    "eve@\u212aontoso.test",  # Kelvin sign
    "eve@xn--bcher-kva.example",
    "eve@b\u00fccher.example",
    "eve@[192.0.2.1]",
    "eve@[127.0.0.1]",
    "eve@[IPv6:2001:db8::1]",
    "eve@[IPv6:::ffff:192.0.2.1]",
    "eve@192.0.2.1",
    "eve@3221225985",
    "eve@0300.0.2.1",
    "eve@[3221225985]",
    "eve@0xC0000201",
    "eve@contoso.test\0.outside.example",
    "eve\0@outside.example",
    "eve@outside.example\0@contoso.test",
    "eve@contoso.test.outside.example",
    "eve@notcontoso.test",
    "eve@contoso.test:25",
    "eve@contoso.test%outside.example",
    "eve@.contoso.test",
    "<eve@outside.example>",
    "|mail eve@outside.example",
    "eve@outside.example\t@contoso.test",
]


def attempt(source: str, reverse_path: str) -> None:
    async def main() -> None:
        async with relay(limits={"errors_max": 1000}) as running:
            client = await running.connect(source=source)
            for spelling in SPELLINGS:
                parameter = "" if spelling.isascii() else " SMTPUTF8"
                mail, rcpt, data = await client.say(
                    f"MAIL FROM:<{reverse_path}>{parameter}\nRCPT TO:<{spelling}>\nDATA\n", 3
                )
                assert mail.startswith("250"), mail
                assert rcpt.startswith("5"), f"{spelling!r}: {rcpt}"
                assert data.startswith("503"), f"{spelling!r}: {data}"
                await client.say("RSET\n")
            await running.settled()
            assert not running.spool.recipients
            assert running.outside.connections == 0

    asyncio.run(main())


@pytest.mark.parametrize("reverse_path", [FOREIGN, INSIDER, ""])
def test_row_01_no_spelling_gets_a_stranger_out(reverse_path: str) -> None:
    attempt(STRANGER, reverse_path)


@pytest.mark.parametrize("reverse_path", [FOREIGN, "", "x@contoso.test.foreign.example"])
def test_row_01_no_spelling_gets_a_foreign_sender_out_of_an_attributed_session(reverse_path: str) -> None:
    attempt(OFFICE, reverse_path)


@pytest.mark.parametrize(
    "reverse_path",
    [
        '"ada@contoso.test"@foreign.example',
        "ada%contoso.test@foreign.example",
        "contoso.test!ada@foreign.example",
        "@contoso.test:mallory@foreign.example",
        "ada@contoso.test@foreign.example",
        "ada@contoso.test,mallory@foreign.example",
        "ada@contoso\uff0etest",
        "ada\uff20contoso.test",
        "ada@[127.0.0.1]",
        "ada@contoso.test.",
    ],
)
def test_row_01_a_sender_that_only_looks_like_ours_does_not_relay(reverse_path: str) -> None:
    async def main() -> None:
        async with relay() as running:
            client = await running.connect()
            parameter = "" if reverse_path.isascii() else " SMTPUTF8"
            _, rcpt, data = await client.say(f"MAIL FROM:<{reverse_path}>{parameter}\nRCPT TO:<{OUTSIDER}>\nDATA\n", 3)
            assert rcpt.startswith("5") and data.startswith("503"), (rcpt, data)
            assert not running.spool.recipients

    asyncio.run(main())


def test_row_01_the_table_refuses_by_policy_not_by_accident() -> None:
    """The same session that is refused with a foreign sender may relay with its own."""

    async def main() -> None:
        async with relay() as running:
            client = await running.connect()
            await client.say(f"MAIL FROM:<{INSIDER}>\nRCPT TO:<{OUTSIDER}>\nDATA\n", 3)
            assert (await client.say("Subject: x\n\nx\n.\n"))[0].startswith("250")
            await running.settled()
            assert [message.recipients[0].split(" ")[1] for message in running.left()] == [f"TO:<{OUTSIDER}>"]
            (refused,) = await client.say(f"MAIL FROM:<{FOREIGN}>\n")
            (refused,) = await client.say(f"RCPT TO:<{OUTSIDER}>\n")
            assert refused.startswith("550 5.7.64")

    asyncio.run(main())
