"""Checks of [acme]; see checks.py."""

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from staffetta.mail.address import AddressError, parse_domain, parse_mailbox
from staffetta.settings.found import Found
from staffetta.settings.model import Settings
from staffetta.settings.secrets import HOW_TO_REFER, is_reference

_NAMES_MAX = 100  # what Let's Encrypt takes in one certificate


def check_acme(settings: Settings) -> Found:
    """Yield what is wrong with [acme]."""
    acme = settings.acme
    if acme is None:
        return
    url = urlsplit(acme.directory)
    if url.scheme != "https" or not url.hostname:
        yield ("acme", "directory"), f"{acme.directory!r} is no https address; write that of the authority's directory"
    if not acme.terms_agreed:
        yield (
            ("acme", "terms_agreed"),
            "it must be true, since no authority issues without; read its terms of service, then write true",
        )
    for text in acme.contact:
        try:
            parse_mailbox(text)
        except AddressError as error:
            yield ("acme", "contact"), f"{text!r}: {error}; write postmaster@contoso.com"
    yield from _names(acme.names or (settings.hostname,), "names" if acme.names else "")
    for text in acme.addresses:
        if not _is_address(text):
            yield ("acme", "addresses"), f"{text!r} is not IP:port; write 0.0.0.0:{acme.challenge.port}"
    if (acme.external_account_id is None) != (acme.external_account_key is None):
        missing = "external_account_key" if acme.external_account_key is None else "external_account_id"
        yield ("acme", missing), "it is missing; external_account_id and external_account_key go together"
    if acme.external_account_key is not None and not is_reference(acme.external_account_key):
        where = ("acme", "external_account_key")
        yield where, f"a secret stands in the settings, where others may read it; {HOW_TO_REFER}"


def _names(names: tuple[str, ...], key: str) -> Iterator[tuple[tuple[str, ...], str]]:
    where = ("acme", key) if key else ("hostname",)
    if len(names) > _NAMES_MAX:
        yield where, f"there are {len(names)} of them; authorities take {_NAMES_MAX}"
    for text in names:
        if text.startswith("*."):
            yield where, f"{text!r}: a wildcard is proved by the DNS alone, which is not done; write each name"
            continue
        try:
            parse_domain(text)
        except AddressError as error:
            yield where, f"{text!r}: {error}; write a name such as relay.example.org"
            continue
        if "." not in text or _is_ip(text):
            yield where, f"{text!r} is no name that an authority can reach; write one such as relay.example.org"


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return _is_ip(host.strip("[]")) and (":" not in host or host.startswith("[")) and port.isdigit()


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
