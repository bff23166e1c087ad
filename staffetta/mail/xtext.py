"""xtext: text that travels as an SMTP parameter's value (RFC 3461 §4), and its Unicode sibling (RFC 6533 §3).

Rule 1: what came as xtext stays xtext on the wire; it is decoded only to be shown.
Rule 2: what decoding yields is data: it may hold CR, LF and anything else, and must be cleaned before it is printed.
"""

import re

# xtext = *( xchar / hexchar ); xchar = any CHAR from "!" to "~" but "+" and "="; hexchar = "+" two HEXDIG
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_HEXCHAR = re.compile(r"\+([0-9A-F]{2})")
_NOT_XCHAR = re.compile(r"[^!-*,-<>-~]")
# EmbeddedUnicodeChar = %x5C.78 "{" HEXPOINT "}", RFC 6533 §3
_EMBEDDED = re.compile(r"\\x\{([0-9A-F]{2,6})\}")
_NOT_PLAIN_IN_UTF8_ADDRESS = re.compile(r"[^!-*,-<>-\[\]-~]")


class XtextError(ValueError):
    """This is not xtext. Answer 501 5.5.4."""


def encode_xtext(text: str) -> str:
    """Print text as xtext (RFC 3461 §4). Non-ASCII characters become the hexchars of their UTF-8 octets."""
    return _NOT_XCHAR.sub(lambda match: "".join(f"+{octet:02X}" for octet in match.group().encode()), text)


def decode_xtext(xtext: str) -> str:
    """Parse xtext (RFC 3461 §4). Octets that are not UTF-8 become U+FFFD. Raises XtextError."""
    if not is_xtext(xtext):
        raise XtextError(
            "xtext is made of printable ASCII, with '+' and two upper-case hexadecimal digits for the rest"
        )
    if "+" not in xtext:
        return xtext
    octets = _HEXCHAR.sub(lambda match: chr(int(match[1], 16)), xtext).encode("latin-1")
    return octets.decode("utf-8", "replace")


def is_xtext(text: str) -> bool:
    """Whether the text is xtext as it stands; the empty text is (RFC 3461 §4)."""
    return _XTEXT.fullmatch(text) is not None


def encode_utf8_address(text: str) -> str:
    r"""Print an address as utf-8-addr-xtext: `\x{HEX}` for all but plain ASCII (RFC 6533 §3)."""
    return _NOT_PLAIN_IN_UTF8_ADDRESS.sub(lambda match: f"\\x{{{ord(match.group()):02X}}}", text)


def decode_utf8_address(text: str) -> str:
    r"""Parse utf-8-addr-xtext or utf-8-addr-unitext: `\x{HEX}` becomes its character (RFC 6533 §3).

    An escape that names no character (a surrogate, above U+10FFFF) stays as it is.
    """
    return _EMBEDDED.sub(_embedded_character, text)


def _embedded_character(match: re.Match[str]) -> str:
    point = int(match[1], 16)
    is_character = point <= 0x10FFFF and not 0xD800 <= point <= 0xDFFF
    return chr(point) if is_character else match.group()
