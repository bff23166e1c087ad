"""Fuzz one parser of hostile input: `python -m tests.fuzz TARGET [atheris options]`, or list the targets without one.

Each target raises what its parser promises not to raise. What is found becomes a test beside the parser.
"""

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["staffetta"]):
    from staffetta.analyzer.fields import NotHeaders, text_of
    from staffetta.analyzer.report import analyze
    from staffetta.mail.address import AddressError, parse_mailbox
    from staffetta.mail.dsn_reader import read_dsn
    from staffetta.net import proxy
    from staffetta.settings.file import SettingsError, parse
    from staffetta.settings.model import Settings
    from tests.property.test_splitting import talk


def session(octets: bytes) -> None:
    """Whole or in two pieces, the same comes of it."""
    half = len(octets) // 2
    assert talk([octets]) == talk([octets[:half], octets[half:]])


def address(octets: bytes) -> None:
    with contextlib.suppress(AddressError):
        mailbox = parse_mailbox(octets.decode("utf-8", "replace"))
        assert parse_mailbox(str(mailbox)).key == mailbox.key


def headers(octets: bytes) -> None:
    with contextlib.suppress(NotHeaders):
        analyze(text_of(octets))


def dsn(octets: bytes) -> None:
    read_dsn(octets)


def proxy_header(octets: bytes) -> None:
    with contextlib.suppress(proxy.ProxyError):
        proxy.parse(octets)


def settings(octets: bytes) -> None:
    with contextlib.suppress(SettingsError):
        parse(octets.decode("utf-8", "replace"), "fuzz.toml", Settings, Path("/nonexistent"))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "session": session,
    "address": address,
    "headers": headers,
    "dsn": dsn,
    "proxy": proxy_header,
    "settings": settings,
}


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        print(*TARGETS, sep="\n")
        sys.exit(0 if len(sys.argv) < 2 else 64)
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
