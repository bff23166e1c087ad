"""What a server announced in its reply to EHLO (RFC 5321 §4.1.1.1)."""

from dataclasses import dataclass

from staffetta.smtp.remote_reply import RemoteReply


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The service extensions that matter to us; without EHLO there are none.

    size: the largest content in octets, 0 where it is announced without a limit, None where it is not announced.
    auth: mechanisms, upper case, in the server's order.
    """

    pipelining: bool = False  # RFC 2920
    chunking: bool = False  # RFC 3030
    dsn: bool = False  # RFC 3461
    eight_bit_mime: bool = False  # RFC 6152
    smtputf8: bool = False  # RFC 6531
    starttls: bool = False  # RFC 3207
    size: int | None = None  # RFC 1870
    requiretls: bool = False  # RFC 8689
    auth: tuple[str, ...] = ()  # RFC 4954


def read_capabilities(reply: RemoteReply) -> Capabilities:
    """Read `ehlo-line = ehlo-keyword *( SP ehlo-param )` of each line after the first; the unknown is passed over."""
    keywords: dict[str, list[str]] = {}
    auth: dict[str, None] = {}
    for line in reply.lines[1:]:
        keyword, *parameters = line.upper().split() or [""]
        keywords[keyword] = parameters
        if keyword == "AUTH" or keyword.startswith("AUTH="):  # the latter is how it once was
            auth |= dict.fromkeys([*keyword.split("=")[1:], *parameters])
    return Capabilities(
        pipelining="PIPELINING" in keywords,
        chunking="CHUNKING" in keywords,
        dsn="DSN" in keywords,
        eight_bit_mime="8BITMIME" in keywords,
        smtputf8="SMTPUTF8" in keywords,
        starttls="STARTTLS" in keywords,
        size=_read_size(keywords.get("SIZE")),
        requiretls="REQUIRETLS" in keywords,
        auth=tuple(auth),
    )


def _read_size(parameters: list[str] | None) -> int | None:
    if parameters is None:
        return None
    # RFC 1870 §4: up to 20 digits. Whoever announces something else has announced no limit.
    is_number = bool(parameters) and len(parameters[0]) <= 20 and parameters[0].isascii() and parameters[0].isdigit()
    return int(parameters[0]) if is_number else 0
