"""Encoded words of header fields as people read them (RFC 2047 §2).

Rule 1: what cannot be decoded stays as it is written.
Rule 2: it is decoded once; an encoded word within an encoded word is text.
"""

import base64
import binascii
import codecs
import re

_WORD = re.compile(r"=\?([\w.:-]{1,40}(?: 8)?)(?:\*[\w-]{0,20})?\?([bBqQ])\?([^?\s]*)\?=")
_BETWEEN = re.compile(r"(?<=\?=)[ \t\r\n]+(?==\?)")
_HEX = re.compile(rb"=([0-9A-Fa-f]{2})")
# Codecs that are character sets of mail. Others of Python's are slow on purpose-made input, or no character sets.
_CHARSET = re.compile(
    r"(utf[-_ ]?(8|16|32)([-_]?[lb]e)?|(us[-_])?ascii|ansi_x3.*|latin[-_]?\d+|iso[-_]?(8859|2022).*|windows[-_]?\d+"
    r"|cp[-_]?\d+|ibm\d+|koi8[-_][rut]|big5.*|gb.*|hz.*|euc[-_]?\w+|shift[-_]?jis\w*|ks_c.*|mac[-_]?\w+|tis[-_]?620)",
    re.IGNORECASE,
)


def decode(text: str) -> str:
    """Return the text with its encoded words decoded."""
    if "=?" not in text:
        return text
    return _WORD.sub(_decoded, _BETWEEN.sub("", text))


def _decoded(word: re.Match[str]) -> str:
    charset = word[1].lower().replace(" ", "-")
    octets = _from_base64(word[3]) if word[2] in "bB" else _from_q(word[3])
    if octets is None or not _CHARSET.fullmatch(charset):
        return word[0]
    try:
        return codecs.lookup(charset).decode(octets, "replace")[0]
    except (LookupError, UnicodeError, ValueError):
        return word[0]


def _from_base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _from_q(text: str) -> bytes:
    octets = text.replace("_", " ").encode("utf-8", "surrogateescape")
    return _HEX.sub(lambda pair: bytes((int(pair[1], 16),)), octets)
