"""Lists of tags, as DKIM and ARC write them: `v=1; a=rsa-sha256; d=contoso.com` (RFC 6376 §3.2)."""

import re

LENGTH_MAX = 8192
_TAGS_MAX = 50
_BLANK = re.compile(r"\s+")


def tags_of(text: str) -> dict[str, str]:
    """Return values by tag, without white space around them; the first of a name. What is no tag is left out."""
    tags: dict[str, str] = {}
    for part in text[:LENGTH_MAX].split(";")[:_TAGS_MAX]:
        name, equals, value = part.partition("=")
        if equals:
            tags.setdefault(name.strip().lower(), value.strip())
    return tags


def without_blanks(value: str) -> str:
    """Return a value whose white space means nothing, such as that of `b`, without it."""
    return _BLANK.sub("", value)


def instance_of(tags: dict[str, str]) -> int | None:
    """Return the instance of an ARC field (RFC 8617 §4.2.1); None where it is none, or beyond three digits."""
    number = tags.get("i", "")
    return int(number) if number.isascii() and number.isdigit() and len(number) < 4 else None
