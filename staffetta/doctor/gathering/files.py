"""Files whose permissions matter: the settings, the data folder with its databases, keys and other secrets."""

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from staffetta.doctor.facts import FileFacts
from staffetta.doctor.roads import roads
from staffetta.settings.model import Settings
from staffetta.settings.secrets import SecretUnavailable, fill_in
from staffetta.settings.secrets_key import secrets_key

_FILE = "file:"


@dataclass(frozen=True, slots=True)
class _Wanted:
    path: Path
    what: str
    is_secret: bool = True
    must_be_there: bool = False
    has_hashes: bool = False


@dataclass(frozen=True, slots=True)
class _User:
    """Who the relay runs as: the owner of the data folder."""

    number: int
    groups: frozenset[int]

    def can_read(self, found: os.stat_result) -> bool:
        if self.number == 0:
            return True
        if found.st_uid == self.number:
            return bool(found.st_mode & stat.S_IRUSR)
        return bool(found.st_mode & (stat.S_IRGRP if found.st_gid in self.groups else stat.S_IROTH))


def files(settings: Settings) -> tuple[FileFacts, ...]:
    """Look at each of them, once."""
    user = _user(settings.data_dir)
    wanted = {each.path: each for each in _wanted(settings)}
    return tuple(found for each in wanted.values() if (found := _look(each, user)) is not None)


def _wanted(settings: Settings) -> Iterator[_Wanted]:
    data = settings.data_dir
    yield _Wanted(data, "the data folder")
    for name in ("directory.sqlite", "spool", "spool/spool.db", "tls/self-signed.pem", "ca", "ca/ca.key"):
        yield _Wanted(data / name, "part of the data folder")
    if settings.origin is not None:
        has_hashes = any(account.password_hashes for account in settings.declared.accounts)
        yield _Wanted(settings.origin.path, "the settings", is_secret=False, has_hashes=has_hashes)
    if (path := secrets_key(settings)[1]) is not None:
        yield _Wanted(path, "the key of secrets")
    for listener in settings.listeners:
        if key := listener.private_key or listener.certificate:
            yield _Wanted(key, f"the private key of listener {listener.name}")
    for route in roads(settings):
        if key := route.client_key or route.client_certificate:
            yield _Wanted(key, f"the private key of route {route.name}")
        if route.authentication is not None and (password := route.authentication.password):
            yield from _referred(password, f"the password of route {route.name}")
        if password := route.client_certificate_password:
            yield from _referred(password, f"the password of route {route.name}'s certificate")
    for source in settings.token_sources:
        if source.client_secret is not None:
            yield from _referred(source.client_secret, f"the secret of token source {source.name}")
        if source.client_certificate is not None:
            yield _Wanted(source.client_certificate, f"the key of token source {source.name}", must_be_there=True)
        if source.refresh_token_file is not None:
            yield _Wanted(source.refresh_token_file, f"the token of token source {source.name}", must_be_there=True)


def _referred(reference: str, what: str) -> Iterator[_Wanted]:
    """A file that a reference names; a variable has no permissions."""
    if reference.startswith(_FILE):
        try:
            path = Path(fill_in(reference.removeprefix(_FILE)))
        except SecretUnavailable:  # a variable of systemd's, which is set where the relay runs
            return
        yield _Wanted(path, what, must_be_there=True)


def _look(wanted: _Wanted, user: _User) -> FileFacts | None:
    """None: it is not there, and need not be, or another check says so."""
    try:
        found = wanted.path.stat()
    except FileNotFoundError as error:
        if not wanted.must_be_there:
            return None
        return FileFacts(wanted.path, wanted.what, trouble=error.strerror)
    except OSError as error:
        return FileFacts(wanted.path, wanted.what, trouble=error.strerror)
    return FileFacts(
        wanted.path,
        wanted.what,
        stat.S_IMODE(found.st_mode),
        found.st_uid,
        is_secret=wanted.is_secret,
        has_hashes=wanted.has_hashes,
        is_for_relay=user.can_read(found),
    )


def _user(data_dir: Path) -> _User:
    """The owner; where the folder has not been made, who asks."""
    try:
        number = data_dir.stat().st_uid
    except OSError:
        number = os.getuid()
    try:
        known = pwd.getpwuid(number)
    except KeyError:
        return _User(number, frozenset())
    others = {each.gr_gid for each in grp.getgrall() if known.pw_name in each.gr_mem}
    return _User(number, frozenset({known.pw_gid, *others}))
