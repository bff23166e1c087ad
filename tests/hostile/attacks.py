"""Every attack of `make hostile`, declared once: where it was first told, what is tried, and what must be seen.

Inside is contoso.test. The connected client at 127.0.0.1 may send outside in its name; one at 127.0.0.2 is a stranger.
Whatever a variant smuggles, relays or injects has the sender `ceo@contoso.test`, which no variant names openly where it
may; so it failed when nothing of that sender has left.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.hostile.client import Say, Secure, Seen, Turn
from tests.regress.test_row_01_open_relay import SPELLINGS
from tests.regress.test_row_02_03_smuggling import PRETENDED_ENDS, SECOND

CONNECTED, STRANGER = "127.0.0.1", "127.0.0.2"
SMUGGLED = "ceo@contoso.test"
HELLO = Say(b"EHLO client.example\r\n")
OPENED = (HELLO, Say(b"MAIL FROM:<ada@contoso.test>\r\n"), Say(b"RCPT TO:<bob@outside.example>\r\n"))
QUIT = Say(b"QUIT\r\n", None)
FIELDS = b"Subject: hostile\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Attack:
    """source: the report, CVE or paper. expected: in words; is_as_expected: of what was seen, the same.

    variants: by name, what is said. where_it_applies_to_others: whether another server is bound to the same.
    """

    name: str
    source: str
    variants: Mapping[str, Sequence[Turn]]
    expected: str
    is_as_expected: Callable[[Seen], bool]
    client: str = STRANGER
    applies_to_others: bool = True


def shown(octets: bytes | str) -> str:
    """A name for a variant: what is special in it, in ASCII and not too long."""
    text = ascii(octets).removeprefix("b")[1:-1]
    return text if len(text) <= 40 else f"{text[:30]}…{len(octets)}"


def each(values: Sequence[bytes], turns: Callable[[bytes], Sequence[Turn]]) -> dict[str, Sequence[Turn]]:
    return {shown(value): turns(value) for value in values}


def command(octets: bytes) -> Sequence[Turn]:
    return (HELLO, Say(octets + b"\r\n"), QUIT)


# What must be seen.


def nothing_left(seen: Seen) -> bool:
    return SMUGGLED not in seen.left


def refused(seen: Seen) -> bool:
    """The command after hello got 5yz, and the session went on to QUIT."""
    return nothing_left(seen) and seen.codes[1][0] == "5" and seen.codes[-1] in ("221", "421")


def last_is_refused(seen: Seen) -> bool:
    """What was asked last before QUIT got 4yz or 5yz, or the session was ended."""
    return nothing_left(seen) and (seen.codes[-1] == "421" or seen.codes[-2][0] in "45")


def one_answer(seen: Seen) -> bool:
    """The content got one answer: what followed the pretended end was no command."""
    after = seen.codes[seen.codes.index("354") + 1 :]
    return (
        nothing_left(seen)
        and len(after) <= 2
        and all(code in ("221", "250", "421", "550", "554", "521") for code in after)
    )


def sent_away(seen: Seen) -> bool:
    return nothing_left(seen) and seen.codes[-1] in ("421", "521", "554") and seen.has_closed


def first_reply_ends_it(seen: Seen) -> bool:
    return nothing_left(seen) and len(seen.codes) == 1 and seen.codes[0] in ("221", "421", "521") and seen.has_closed


def still_in_step(seen: Seen) -> bool:
    return nothing_left(seen) and seen.codes[-1] == "221" and all(code[0] in "25" for code in seen.codes)


def forgotten_in_tls(seen: Seen) -> bool:
    """Inside TLS, RCPT is out of order, whatever was sent before; or STARTTLS was refused."""
    return seen.codes[1:] == ("220", "503", "221") or (len(seen.codes) == 2 and seen.codes[1] in ("220", "501", "503"))


def ends_with_421(seen: Seen) -> bool:
    return seen.codes[-1] == "421" and seen.has_closed


def ends_early(seen: Seen) -> bool:
    return seen.codes[-1] in ("221", "421") and len(seen.codes) < 100 and seen.has_closed


def says_the_same(seen: Seen) -> bool:
    return len({line[:9] for line in seen.replies[1:-1]}) == 1


def no_extension(seen: Seen) -> bool:
    return nothing_left(seen) and not any(line[4:].startswith(("XCLIENT", "XFORWARD", "AUTH")) for line in seen.lines)


# What is tried.


def _smuggled(end: bytes) -> Sequence[Turn]:
    return (*OPENED, Say(b"DATA\r\n"), Say(FIELDS + b"x" + end + SECOND + b"QUIT\r\n", None))


def _in_chunk(octets: bytes) -> Sequence[Turn]:
    chunk = FIELDS + b"x" + octets + SECOND
    return (*OPENED, Say(b"BDAT %d LAST\r\n" % len(chunk) + chunk), QUIT)


def _chunk_size(size: bytes) -> Sequence[Turn]:
    return (*OPENED, Say(b"BDAT " + size + b"\r\n" + SECOND + b"QUIT\r\n", None))


def _relayed(spelling: bytes) -> Sequence[Turn]:
    return (HELLO, Say(b"MAIL FROM:<ceo@contoso.test> SMTPUTF8\r\n"), Say(b"RCPT TO:<" + spelling + b">\r\n"), QUIT)


def _from_stranger(first: bytes) -> Sequence[Turn]:
    """Say that we are another, then try to relay."""
    relaying = b"EHLO client.example\r\nMAIL FROM:<ceo@contoso.test>\r\nRCPT TO:<victim@outside.example>\r\nQUIT\r\n"
    return (Say(first + relaying, None),)


def _injected(octets: bytes) -> Sequence[Turn]:
    return (HELLO, Say(b"STARTTLS\r\n" + octets), Secure(), Say(b"RCPT TO:<bob@contoso.test>\r\n"), QUIT)


CONTROLS = [b"MAIL FROM:<a%sb@contoso.test>" % bytes([octet]) for octet in (0, 1, 7, 8, 11, 12, 13, 27, 127)]
NUMBERS = ["١".encode(), b"+5", b"-1", b"1_000", b"0x10", b"5 5", b"", b"1e3", b"99999999999999999999999"]
METHODS = ["GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS", "DELETE"]
ALPHABET = b"".join(b"RCPT TO:<%s@outside.example>\r\n" % name for name in (b"ann", b"ben", b"cid", b"dan") * 8)

ATTACKS = [
    Attack(
        "smuggling by the end of data",
        "CVE-2023-51764, -51765, -51766, CVE-2024-27305 (SEC Consult 2023)",
        each(PRETENDED_ENDS, _smuggled),
        "one answer to the content; nothing smuggled leaves",
        one_answer,
        client=CONNECTED,
    ),
    Attack(
        "smuggling in chunks",
        "RFC 3030 against CVE-2023-51764",
        each([b"\r\n.\r\n", b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n"], _in_chunk),
        "no second message leaves",
        nothing_left,
        client=CONNECTED,
    ),
    Attack(
        "chunk sizes that two servers read differently",
        "BDAT confusion; CVE-2017-16943 and -16944 (Exim)",
        each([*NUMBERS, b"18446744073709551616", b"5 LAST LAST", b"LAST", b"5\tLAST", b"00"], _chunk_size),
        "refused, and no octet after it is a command that sends",
        nothing_left,
        client=CONNECTED,
    ),
    Attack(
        "DATA among chunks",
        "RFC 3030 §2",
        {"BDAT then DATA": (*OPENED, Say(b"BDAT 3\r\nx\r\n"), Say(b"DATA\r\n"), QUIT)},
        "503, and nothing leaves",
        last_is_refused,
        client=CONNECTED,
    ),
    Attack(
        "commands before TLS that count inside it",
        "CVE-2011-0411 (Postfix), CVE-2024-34083 (aiosmtpd); NO STARTTLS, USENIX Security 2021",
        each(
            [
                b"EHLO x\r\n",
                b"EHLO x\r\nMAIL FROM:<ceo@contoso.test>\r\n",
                b"RSET\r\n",
                b"EHLO in",
                b"\0" * 5000,
                b"\r\n",
            ],
            _injected,
        ),
        "dropped, or the session ends",
        forgotten_in_tls,
        client=CONNECTED,
    ),
    Attack(
        "content that does not wait for 354",
        "RFC 2920 §3.1; talk of clients that read no replies",
        each(
            [FIELDS + b".\r\n", b"\r\n", SECOND],
            lambda early: (*OPENED, Say(b"DATA\r\n" + early + b"QUIT\r\n", None)),
        ),
        "421 or 554, and nothing is kept",
        lambda seen: sent_away(seen) and not seen.left,
        client=CONNECTED,
    ),
    Attack(
        "content after a refused DATA",
        "pipelining past a synchronising command",
        {
            "no recipient": (
                HELLO,
                Say(
                    b"MAIL FROM:<ada@contoso.test>\r\nRCPT TO:<a@@b>\r\nDATA\r\n" + FIELDS + SECOND + b"QUIT\r\n", None
                ),
            )
        },
        "421 at the first line that is no command",
        lambda seen: sent_away(seen) and not seen.left,
        client=CONNECTED,
    ),
    Attack(
        "another protocol's request",
        "ALPACA, USENIX Security 2021; HTTP to SMTP (2001)",
        {
            method: (Say(f"{method} / HTTP/1.1\r\nHost: x\r\n\r\n".encode() + b"EHLO x\r\n" + SECOND, None),)
            for method in METHODS
        },
        "one reply and the end",
        first_reply_ends_it,
        client=CONNECTED,
    ),
    Attack(
        "controls in the envelope",
        "SMTP injection via recipient addresses (Terada 2015); CVE-2015-8476, CVE-2025-7962",
        each(CONTROLS, command),
        "5yz, and the session stays in step",
        refused,
    ),
    Attack(
        "octets above 127 without SMTPUTF8",
        "RFC 6531 §3.4; 8-bit commands",
        each(
            [b"\xff\xfe\xfd", b"MAIL FROM:<\xff@contoso.test>", "MAIL FROM:<é@contoso.test>".encode(), b"EHLO \xe9"],
            command,
        ),
        "5yz",
        refused,
    ),
    Attack(
        "addresses that relay elsewhere",
        "open relay tests since MAPS; Splitting the email atom (Heyes 2024); CVE-2023-27043, CVE-2025-13033",
        each([spelling.encode("utf-8", "surrogateescape") for spelling in SPELLINGS], _relayed),
        "no stranger's mail leaves",
        nothing_left,
    ),
    Attack(
        "a stranger who says it is another",
        "PROXY, XCLIENT and XFORWARD spoofing (CVE-2023-42117)",
        each(
            [
                b"PROXY TCP4 127.0.0.1 127.0.0.1 40000 25\r\n",
                b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01\x9c\x40\0\x19",
                b"EHLO x\r\nXCLIENT ADDR=127.0.0.1 NAME=localhost\r\n",
                b"EHLO x\r\nXFORWARD ADDR=127.0.0.1\r\n",
                b"EHLO localhost\r\n",
                b"EHLO [127.0.0.1]\r\n",
            ],
            _from_stranger,
        ),
        "no such extension, and its mail does not leave",
        no_extension,
    ),
    Attack(
        "harvesting by VRFY and EXPN",
        "RFC 5321 §7.3; smtp-user-enum",
        {
            verb: (HELLO, *(Say(f"{verb} {name}\r\n".encode()) for name in ("bob", "nobody", "root")), QUIT)
            for verb in ("VRFY", "EXPN")
        },
        "the same answer for who exists and who does not",
        says_the_same,
        applies_to_others=True,
    ),
    Attack(
        "harvesting by RCPT",
        "directory harvest attack",
        {"32 recipients": (HELLO, Say(b"MAIL FROM:<>\r\n"), Say(ALPHABET, None))},
        "421 after the errors that a session may make",
        ends_with_421,
    ),
    Attack(
        "parameter bombs",
        "RFC 5321 §4.1.2",
        each(
            [
                b"MAIL FROM:<ada@contoso.test>" + b" A=B" * 400,
                b"MAIL FROM:<ada@contoso.test> SIZE=1 SIZE=2",
                b"MAIL FROM:<ada@contoso.test> BODY=WHATEVER",
                b"MAIL FROM:<ada@contoso.test> =",
                *(b"MAIL FROM:<ada@contoso.test> SIZE=" + number for number in NUMBERS if number != b"5 5"),
            ],
            command,
        ),
        "5yz, and the session stays in step",
        refused,
    ),
    Attack(
        "oversize commands",
        "RFC 5321 §4.5.3.1; buffer overflows since 1988",
        each(
            [b"NOOP " + b"x" * 100_000, b"EHLO " + b"y" * 70_000, b"MAIL FROM:<" + b"a" * 3000 + b"@contoso.test>"],
            command,
        ),
        "5yz, and the session stays in step",
        refused,
    ),
    Attack(
        "oversize recipients",
        "RFC 5321 §4.5.3.1.10",
        {"1001 recipients": (*OPENED, Say(b"RCPT TO:<bob@outside.example>\r\n" * 1000, 1000), Say(b"RSET\r\n"), QUIT)},
        "452 for one too many, and the session stays in step",
        lambda seen: seen.codes[-3:] == ("452", "250", "221"),
        client=CONNECTED,
    ),
    Attack(
        "oversize header section",
        "CVE-2003-0161 (Sendmail) and later header floods",
        {
            "16 MB": (
                *OPENED,
                Say(b"DATA\r\n"),
                Say(b"X-A: " + b"y" * 900 + b"\r\n", 0),
                Say((b"X-A: " + b"y" * 900 + b"\r\n") * 17_000 + b"\r\nx\r\n.\r\n"),
                QUIT,
            )
        },
        "552 or 554",
        last_is_refused,
        client=CONNECTED,
        applies_to_others=False,
    ),
    Attack(
        "a message in a circle",
        "RFC 5321 §6.3",
        {
            "101 hops": (
                *OPENED,
                Say(b"DATA\r\n"),
                Say(b"Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n" * 101 + b"\r\nx\r\n.\r\n"),
                QUIT,
            )
        },
        "554",
        last_is_refused,
        client=CONNECTED,
        applies_to_others=False,
    ),
    Attack(
        "commands for a shell",
        "CVE-2020-7247 and -8794 (OpenSMTPD), CVE-2019-10149 (Exim), Shellshock 2014",
        each(
            [
                b";id;@contoso.test",
                b"`id`@contoso.test",
                b"${run{/bin/true}}@contoso.test",
                b"() { :; };id@contoso.test",
                b"|id@contoso.test",
            ],
            lambda address: (
                HELLO,
                Say(b"MAIL FROM:<" + address + b">\r\n"),
                Say(b"RCPT TO:<" + address + b">\r\n"),
                QUIT,
            ),
        ),
        "refused or taken as letters; the session stays in step",
        still_in_step,
    ),
    Attack(
        "xtext that hides a command",
        "RFC 3461 §4.2; Terada 2015",
        each(
            [
                b"ORCPT=rfc822;a+0D+0ARCPT",
                b"ORCPT=rfc822;a+0d",
                b"ORCPT=rfc822;a\\x0d",
                b"ORCPT=;;",
                b"ORCPT=rfc822;+GG",
            ],
            lambda text: (
                HELLO,
                Say(b"MAIL FROM:<ada@contoso.test>\r\n"),
                Say(b"RCPT TO:<bob@contoso.test> " + text + b"\r\n"),
                Say(b"NOOP\r\n"),
                QUIT,
            ),
        ),
        "refused or kept encoded; the session stays in step",
        still_in_step,
        client=CONNECTED,
    ),
    Attack(
        "a password in clear",
        "RFC 4954 §4; STRIPTLS",
        {
            "AUTH PLAIN": command(b"AUTH PLAIN AGFkYQBzZWNyZXQ="),
            "AUTH LOGIN": command(b"AUTH LOGIN"),
            "AUTH XOAUTH2": command(b"AUTH XOAUTH2 eA=="),
        },
        "5yz: AUTH is not there without TLS",
        refused,
    ),
    Attack(
        "nonsense without end",
        "errors of a session",
        {"1000 lines": (Say(b"Subject: x\r\n" * 1000, None),)},
        "421, or another end",
        ends_early,
    ),
    Attack(
        "commands that lead nowhere without end",
        "Slowloris in SMTP; smtpd_junk_command_limit",
        {verb: (HELLO, Say(f"{verb}\r\n".encode() * 1000, None)) for verb in ("NOOP", "RSET", "EHLO x", "VRFY a")},
        "421",
        ends_with_421,
    ),
]
