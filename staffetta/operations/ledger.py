"""The private authority on disk: `<data_dir>/ca`, and the ledger of all that it has issued.

    ca.pem  ca.key  crl.pem  ledger.json  issued/<name>.pem (certificate, then root)  issued/<name>.key

Rule 1: a file is there whole or not at all, readable by its owner alone, and the owner is the data folder's.
Rule 2: what was signed stands in the ledger before anybody gets it; the revocation list is made from the ledger.
Rule 3: one process at a time changes anything (Folder.locked).
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from staffetta.net.authority import Credential
from staffetta.operations.registry import NotFound, OperationError
from staffetta.settings.model import Settings


class Entry(BaseModel):
    """One certificate that was issued.

    serial: hexadecimal. name: the first of its names, by which people call it; renewals share it.
    fingerprint: SHA-256 as `openssl x509 -fingerprint` prints it.
    """

    model_config = ConfigDict(frozen=True)

    serial: str
    name: str
    names: tuple[str, ...]
    fingerprint: str
    issued_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None


class Ledger(BaseModel):
    """What was issued, oldest first. lists_made: revocation lists so far, which numbers them."""

    model_config = ConfigDict(frozen=True)

    lists_made: int = 0
    entries: tuple[Entry, ...] = ()

    def of(self, name: str) -> tuple[Entry, ...]:
        """Return the certificates of a name, oldest first."""
        return tuple(entry for entry in self.entries if entry.name == name)


@dataclass(frozen=True, slots=True)
class Folder:
    """Where the private authority is; it may not be there yet."""

    path: Path

    @classmethod
    def of(cls, settings: Settings) -> "Folder":
        return cls(settings.data_dir / "ca")

    @property
    def certificate(self) -> Path:
        return self.path / "ca.pem"

    @property
    def key(self) -> Path:
        return self.path / "ca.key"

    @property
    def revocation_list(self) -> Path:
        return self.path / "crl.pem"

    @property
    def ledger(self) -> Path:
        return self.path / "ledger.json"

    def issued(self, name: str) -> Path:
        """Return the file of a name's latest certificate; its key stands beside it, with the suffix .key."""
        return self.path / "issued" / f"{_file_name(name)}.pem"

    def issued_key(self, name: str) -> Path:
        return self.path / "issued" / f"{_file_name(name)}.key"

    def is_there(self) -> bool:
        """Whether the authority has been made. Raises OperationError where we may not look."""
        with _disk_trouble(self.path):
            return self.certificate.exists()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder if need be, and keep every other process out meanwhile."""
        with _disk_trouble(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            for folder in (self.path, self.path / "issued"):
                folder.mkdir(mode=0o700, exist_ok=True)
                _hand_over(folder, self.path.parent)
            descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
            finally:
                os.close(descriptor)

    def write(self, path: Path, octets: bytes) -> None:
        """Put a file in place, or replace it."""
        draft = path.with_name(path.name + ".new")
        draft.unlink(missing_ok=True)  # left by a command that was killed
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(descriptor)
        _hand_over(draft, self.path.parent)
        draft.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def read_ledger(self) -> Ledger:
        """Return the ledger; an empty one where there is no authority. Raises OperationError."""
        with _disk_trouble(self.ledger):
            try:
                return Ledger.model_validate_json(self.ledger.read_bytes())
            except FileNotFoundError:
                return Ledger()
            except ValidationError as error:
                raise OperationError(f"{self.ledger} is damaged; restore it from a backup. {error}") from None

    def write_ledger(self, ledger: Ledger) -> None:
        self.write(self.ledger, ledger.model_dump_json(indent=1).encode() + b"\n")

    def root(self) -> Credential:
        """Return the authority's certificate and key. Raises NotFound, OperationError."""
        if not self.is_there():
            raise NotFound(f"There is no private authority in {self.path}. `staffetta ca init` makes one.")
        with _disk_trouble(self.path):
            return _credential(self.certificate, self.key)

    def credential(self, name: str) -> Credential:
        """Return a name's latest certificate and key. Raises NotFound, OperationError."""
        if not self.issued(name).exists():
            raise NotFound(f"No certificate was issued to {name}. `staffetta ca list` shows those that were.")
        with _disk_trouble(self.issued(name)):
            return _credential(self.issued(name), self.issued_key(name))


def _credential(certificate: Path, key: Path) -> Credential:
    try:
        return Credential.load(certificate.read_bytes(), key.read_bytes())
    except ValueError as error:
        raise OperationError(f"{certificate} and {key.name} cannot be used: {error}. Restore both.") from None


@contextmanager
def _disk_trouble(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OperationError(
            f"{error.filename or path}: {error.strerror}. Run this as the user that the relay runs as, or as root."
        ) from error


def _hand_over(path: Path, owned: Path) -> None:
    """What root makes must be readable for the relay, which is another user: the one whose data folder this is."""
    if os.geteuid() == 0:
        owner = owned.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def _file_name(name: str) -> str:
    # A label of ours never starts with an underscore, so that nothing else is called like this.
    return name.replace("*", "_wildcard")
