"""Secrets that cannot be kept as hashes, sealed with a key that is outside of the database (decisions/123-sealing.md).

Rule 1: the key is read anew each time, within the transaction that seals, so that a rotation catches everything.
Rule 2: what is sealed says what it is and whose: moved to another row, it does not open.
Rule 3: a key is made only while nothing is sealed. One that is lost is told, and never replaced in silence.

The file holds one key a line (Fernet: AES-128-CBC and HMAC-SHA256). The first seals; each of them opens.
"""

from collections.abc import Sequence
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from staffetta.directory.database import DirectoryUnavailable
from staffetta.settings.model import Settings
from staffetta.settings.secrets import SecretUnavailable, read_secret
from staffetta.settings.secrets_key import secrets_key
from staffetta.settings.whole_files import write_whole

_BETWEEN = "\0"


class KeyUnavailable(DirectoryUnavailable):
    """What is sealed cannot be opened, or nothing can be sealed. The text says why and what to do."""


class KeyRing:
    """See the head of this file. Calls read a small file.

    reference: as in secrets.py. path: where that is a file of ours to write. data_dir: its owner is the relay.
    """

    def __init__(self, reference: str, path: Path | None, data_dir: Path) -> None:
        self.reference = reference
        self.path = path
        self._data_dir = data_dir

    @classmethod
    def of(cls, settings: Settings) -> "KeyRing":
        """The one that the settings name; left out, a file beside the settings."""
        reference, path = secrets_key(settings)
        return cls(reference, path, settings.data_dir)

    def keys(self) -> Sequence[str]:
        """Return them, the one that seals first. Raises KeyUnavailable."""
        try:
            lines = [line.strip() for line in read_secret(self.reference).splitlines() if line.strip()]
        except SecretUnavailable as error:
            raise KeyUnavailable(
                f"The key for sealed secrets is not there: {error}. Put it back from where you keep it. Is it lost, "
                "let everybody who has a code app set it up again: `staffetta administrator set NAME "
                "--reset-second-factors`."
            ) from None
        for number, line in enumerate(lines, 1):
            if not _is_key(line):
                raise KeyUnavailable(
                    f"Line {number} of {self.reference} is no key. `staffetta secrets new-key` prints one."
                )
        return lines

    def exists(self) -> bool:
        """Whether there is anything where the key should be; of a variable or credential, whether it can be read."""
        if self.path is not None:
            return self.path.exists()
        try:
            return bool(read_secret(self.reference))
        except SecretUnavailable:
            return False

    def seal(self, text: str, owner: str) -> str:
        """Return it sealed. owner: what and whose it is. Raises KeyUnavailable."""
        return self._fernet().encrypt(f"{owner}{_BETWEEN}{text}".encode()).decode("ascii")

    def open(self, sealed: str, owner: str) -> str:
        """Return what seal() was given. Raises KeyUnavailable."""
        return self.open_with(self._fernet(), sealed, owner)

    def open_with(self, fernet: Fernet | MultiFernet, sealed: str, owner: str) -> str:
        """The same with keys that were read already."""
        try:
            found, _, text = fernet.decrypt(sealed.encode("ascii")).decode().partition(_BETWEEN)
        except InvalidToken:
            raise KeyUnavailable(
                f"What is sealed was sealed with another key than {self.reference} has. Add the one before to it, as a "
                "line of its own."
            ) from None
        if found != owner:
            raise KeyUnavailable(f"What is sealed for {owner} is somebody else's: the database was tampered with.")
        return text

    def make(self) -> None:
        """Make the file with one key, where there is none. Raises KeyUnavailable."""
        if not self.exists():
            self.write([new_key()])

    def write(self, keys: Sequence[str]) -> None:
        """Put keys in place of those of before: after a crash one or the other is there. Raises KeyUnavailable."""
        if self.path is None:
            raise KeyUnavailable(
                f"The key is {self.reference}, which is not ours to write. Put a line of `staffetta secrets new-key` "
                "in front there, restart the relay, and say `staffetta secrets rotate` again."
            )
        try:  # root writes it for the relay, which is whose data it is
            write_whole(self.path, "".join(f"{key}\n" for key in keys).encode("ascii"), self._data_dir.stat())
        except OSError as error:
            raise KeyUnavailable(
                f"The key {self.path} cannot be written: {error.strerror}. Let root say `staffetta secrets rotate`, or "
                "name another place with secrets_key."
            ) from error

    def _fernet(self) -> MultiFernet:
        return fernet_of(self.keys())


def new_key() -> str:
    """Make one: 256 random bits, as text."""
    return Fernet.generate_key().decode("ascii")


def fernet_of(keys: Sequence[str]) -> MultiFernet:
    """Return what seals with the first of them, and opens with each."""
    return MultiFernet([Fernet(key) for key in keys])


def _is_key(line: str) -> bool:
    try:
        Fernet(line)
    except ValueError:
        return False
    return True
