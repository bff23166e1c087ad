"""Sign-in of people at the console: a proof for a secret that a cookie holds, and back to who it is.

Rule 1: a name that is unknown is told, and takes as long, as a wrong password.
Rule 2: whoever fails waits longer each time, and is in the end not heard for a while (policy/guessing.py); a person is
at home at the addresses that he has signed in from, and nobody shuts him out there from elsewhere.
"""

import hashlib
import secrets
import time
from collections.abc import Callable
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from staffetta.directory import sign_ins
from staffetta.directory.administrators import administrators
from staffetta.directory.store import Author, Directory
from staffetta.operations.access import told
from staffetta.operations.errors import OperationError
from staffetta.operations.roles import Caller, Role
from staffetta.policy.guessing import Guess, Guesses
from staffetta.settings.model import Settings
from staffetta.settings.passwords import hash_password, new_password, verify

SOURCE = "console"
_NOWHERE = IPv6Address(0)


class SignInRefused(OperationError):
    """The proof is not good, or the name is unknown; the text does not say which.

    wait_seconds: before the refusal is told.
    """

    kind = "UnauthorizedAccessException"

    def __init__(self, text: str, wait_seconds: float = 0.0) -> None:
        super().__init__(text)
        self.wait_seconds = wait_seconds


class TooManyTries(OperationError):
    """Nothing is tried now, for this name or from this address."""

    kind = "UnauthorizedAccessException"


class SigningIn:
    """See the head of this file. One for a relay; calls block for some tens of milliseconds, and come from any thread.

    Every address is the client's; None where there is none, as on a socket of the file system.
    """

    def __init__(
        self, directory: Directory, get_settings: Callable[[], Settings], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """clock: any steady one, in seconds."""
        self._directory = directory
        self._get_settings = get_settings
        self._clock = clock
        self._guesses = Guesses()
        self._key = secrets.token_bytes(32)

    def has_administrator(self) -> bool:
        """Whether anybody can sign in; where nobody can, the one-time code opens. Raises Unavailable."""
        with told():
            return bool(administrators(self._directory))

    def sign_in(self, *, name: str, password: str, address: str | None) -> str:
        """Check a password, and return the secret of a new sign-in.

        Raises SignInRefused, TooManyTries, Unavailable.
        """
        place = _place(address)
        guess = self._began(name, password, place)
        with told():
            hashed = sign_ins.password_hash_of(self._directory, name)
            is_right = verify(hashed or _nobodys_hash(), password.encode(errors="surrogatepass"))
            if hashed is None or not is_right:
                raise SignInRefused("Name or password is wrong.", guess.wait_seconds)
        self._guesses.take_back(guess)
        self._guesses.succeeded(_folded(name), place)
        return self._begin(name, address)

    def signed_in(self, secret: str, address: str | None) -> Caller | None:
        """Return who signed in with this secret; None where nobody did, or it has ended. Raises Unavailable."""
        with told():
            person = sign_ins.signed_in(self._directory, secret)
        if person is None:
            return None
        roles = frozenset(map(Role, person.roles))
        return Caller(person.name, roles, SOURCE, organization=person.organization, address=address)

    def sign_out(self, secret: str, caller: Caller) -> None:
        """End a sign-in; one that has ended already is left so. Raises Unavailable."""
        author = Author(caller.name, SOURCE, "Sign-Out", address=caller.address, organization=caller.organization)
        with told(), self._directory.change(self._get_settings(), author) as change:
            sign_ins.end(change, secret)

    def _began(self, name: str, proof: str, place: IPv4Address | IPv6Address) -> Guess:
        """Raises TooManyTries."""
        now = self._clock()
        if self._guesses.is_shut(_folded(name), place, now):
            raise TooManyTries("There were too many wrong tries. Wait some minutes, and try again.")
        # The name belongs to it: one password tried at every name is as many guesses.
        octets = f"{_folded(name)}\0{proof}".encode(errors="surrogatepass")
        digest = hashlib.blake2b(octets, key=self._key, digest_size=16).digest()
        return self._guesses.began(_folded(name), place, digest, now)

    def _begin(self, name: str, address: str | None) -> str:
        author = Author(name, SOURCE, "Sign-In", address=address)
        with told(), self._directory.change(self._get_settings(), author) as change:
            return sign_ins.begin(change, name)


def _place(address: str | None) -> IPv4Address | IPv6Address:
    try:
        return ip_address(address or "")
    except ValueError:
        return _NOWHERE


def _folded(name: str) -> str:
    return name.strip().casefold()[:200]


@cache
def _nobodys_hash() -> str:
    return hash_password(new_password())
