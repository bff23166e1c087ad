"""Words in any case of letters, as patterns that SQLite compares by itself.

Rule: letter by letter; ß is ẞ in another case, and never ss.
"""

from functools import cache


def like_pattern(words: str) -> str:
    """Return words of ASCII for LIKE with ESCAPE '\\', which folds ASCII alone, and is the fastest."""
    return "".join(f"\\{each}" if each in "\\%_" else each for each in words)


def glob_pattern(words: str) -> str:
    """Return any words for GLOB, with all the cases of each letter."""
    return "".join(map(_class_of, words))


def _class_of(letter: str) -> str:
    cases = _cases().get(_folded(letter))
    if cases is not None:
        return f"[{cases}]"
    return f"[{letter}]" if letter in "*?[" else letter


@cache
def _cases() -> dict[str, str]:
    """By letter, as _folded() has it, all its cases; only letters that have several."""
    found: dict[str, list[str]] = {}
    for letter in map(chr, range(0x20000)):  # beyond are ideographs, which have no case
        if (folded := _folded(letter)) != letter:
            found.setdefault(folded, [folded]).append(letter)
    return {folded: "".join(letters) for folded, letters in found.items()}


def _folded(letter: str) -> str:
    return next((each for each in (letter.casefold(), letter.lower()) if len(each) == 1), letter)
