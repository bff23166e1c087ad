"""Checks of probes: each names a route that there is, and a place where its arrival can be seen."""

from urllib.parse import urlsplit

from staffetta.mail.address import AddressError, parse_mailbox
from staffetta.settings.found import Found, Where
from staffetta.settings.model import Settings
from staffetta.settings.probes import Expect, Probe
from staffetta.settings.secrets import HOW_TO_REFER, is_reference

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def check_probes(settings: Settings) -> Found:
    """Yield what is wrong with them."""
    known = [each.name for each in settings.routes] + [each.name for each in settings.outbound_connectors]
    for index, probe in enumerate(settings.probes):
        where: Where = ("probes", index)
        if probe.route not in known:
            yield (*where, "route"), f"there is no route {probe.route!r}; known: {', '.join(known) or 'none'}"
        for key, text in (("to", probe.to), ("sender", probe.sender)):
            if text is not None:
                try:
                    parse_mailbox(text)
                except AddressError as error:
                    yield (*where, key), f"{text!r}: {error}; write a mailbox such as probe@example.org"
        if probe.timeout_seconds >= probe.every_seconds:
            yield (*where, "timeout_seconds"), "it is not below every_seconds, so that probes would overlap; write less"
        if problem := problem_of_location(probe.expect, probe.location):
            yield (*where, "location"), problem
        yield from _password(where, probe)


def problem_of_location(expect: Expect, location: str | None) -> str | None:
    """Say what is wrong with where an arrival is looked for, and what to write; None: nothing."""
    if expect in (Expect.NONE, Expect.DSN):
        return "it changes nothing without expect = maildir, imap or staffetta; leave it out" if location else None
    if location is None:
        return f"it is missing; expect = {expect} needs a place to look at, such as {_EXAMPLES[expect]}"
    url = urlsplit(location)
    if expect is Expect.MAILDIR:
        return None if location.startswith("/") else f"{location!r}: write the whole path, such as {_EXAMPLES[expect]}"
    if expect is Expect.IMAP:
        is_right = url.scheme in ("imap", "imaps") and bool(url.hostname and url.username)
    else:
        is_right = bool(url.hostname) and (
            url.scheme == "https" or (url.scheme == "http" and url.hostname in _LOOPBACK)
        )
    if not is_right or url.password is not None:
        return f"it is no place for {expect}; write one such as {_EXAMPLES[expect]}, without a password in it"
    return None


_EXAMPLES = {
    Expect.MAILDIR: "/var/mail/probe",
    Expect.IMAP: "imaps://probe@mail.example.org/INBOX",
    Expect.STAFFETTA: "https://relay.example.org:8025",
}


def _password(where: Where, probe: Probe) -> Found:
    key = (*where, "password")
    if probe.expect in (Expect.IMAP, Expect.STAFFETTA):
        if probe.password is None:
            what = "password of the IMAP user" if probe.expect is Expect.IMAP else "API token"
            yield key, f"it is missing; the {what}: {HOW_TO_REFER}"
    elif probe.password is not None:
        yield key, f"it changes nothing for expect = {probe.expect}; leave it out"
    if probe.password is not None and not is_reference(probe.password):
        yield key, f"a secret stands in the settings, where others may read it; {HOW_TO_REFER}"
