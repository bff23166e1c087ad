"""Whether the settings file and the directory's database agree, and what in them is likely not meant."""

from collections.abc import Iterator

from staffetta.doctor.facts import Facts
from staffetta.doctor.finding import Finding, Kind, Severity
from staffetta.settings.advice import warnings
from staffetta.settings.file import dotted

CONTRADICTS = Kind(
    "directory-contradicts-the-file",
    Severity.ERROR,
    "The relay does not start, and does not take new settings while it runs.",
    "Take one of the two away: from the settings file, or by the cmdlet that the text names.",
)
UNLIKELY = Kind(
    "setting-likely-not-meant",
    Severity.NOTICE,
    "It is allowed, and does not do what one would think.",
    "Read it again; where it is meant, nothing is wrong.",
)
KINDS = (CONTRADICTS, UNLIKELY)


def judge(facts: Facts) -> Iterator[Finding]:
    if facts.directory_trouble is not None:
        yield CONTRADICTS.found(facts.directory_trouble)
    for where, text in warnings(facts.settings):
        yield UNLIKELY.found(f"{dotted(where)}: {text}")
