"""Sign-in of people at the console: a proof for a secret that a cookie holds, and back to who it is.

Rule 1: a name that is unknown is told, and takes as long, as a wrong password.
Rule 2: whoever fails waits longer each time, and is in the end not heard for a while (policy/guessing.py); a person is
at home at the addresses that he has signed in from, and nobody shuts him out there from elsewhere.
Rule 3: who has a code app is asked for a code after the password; between the two he holds a ticket, for five minutes,
and is at home nowhere yet: a stolen password must not give each address codes of its own to guess.
Rule 4: how somebody signs in, he changes himself, and proves his password for it, so that a console left open is no
way to stay.
"""

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address

import pyotp

from staffetta.directory import second_factors, sign_ins
from staffetta.directory.administrators import administrators, set_password
from staffetta.directory.sealing import KeyRing
from staffetta.directory.store import Author, Directory
from staffetta.operations.access import told
from staffetta.operations.errors import BadValue, NotFound, OperationError
from staffetta.operations.first_administrator import PASSWORD_LENGTH_MIN
from staffetta.operations.passkeys import Passkeys, Visitor
from staffetta.operations.roles import Caller, Role
from staffetta.policy.guessing import Guess, Guesses
from staffetta.settings.model import Settings
from staffetta.settings.passwords import hash_password, new_password, verify

SOURCE = "console"
_NOWHERE = IPv6Address(0)
_CHECKS_AT_A_TIME = 2
_TICKET_SECONDS, _TICKETS_MAX = 300.0, 1000
_STEP_SECONDS = 30  # of a code (RFC 6238 §5.2)
_CODE_SECRET = re.compile(r"[A-Z2-7]{32}")


class SignInRefused(OperationError):
    """The proof is not good, or the name is unknown; the text does not say which.

    wait_seconds: before the refusal is told.
    """

    kind = "UnauthorizedAccessException"

    def __init__(self, text: str, wait_seconds: float = 0.0) -> None:
        super().__init__(text)
        self.wait_seconds = wait_seconds


class CodeNeeded(Exception):
    """The password is right, and a code is asked for. ticket: what comes with it."""

    def __init__(self, ticket: str) -> None:
        super().__init__("a code is needed")
        self.ticket = ticket


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
        self.passkeys = Passkeys(directory, get_settings)
        self._checks = threading.BoundedSemaphore(_CHECKS_AT_A_TIME)  # each takes 19 MiB
        self._guesses = Guesses()
        self._tickets: OrderedDict[str, tuple[str, float]] = OrderedDict()  # to a name, and when it ends
        self._key = secrets.token_bytes(32)

    def has_administrator(self) -> bool:
        """Whether anybody can sign in; where nobody can, the one-time code opens. Raises Unavailable."""
        with told():
            return bool(administrators(self._directory))

    def sign_in(self, *, name: str, password: str, address: str | None) -> str:
        """Check a password, and return the secret of a new sign-in.

        Raises CodeNeeded, SignInRefused, TooManyTries, Unavailable.
        """
        self._check_password(name, password, address)
        with told():
            needs_code = second_factors.has_code_app(self._directory, name)
        if needs_code:
            raise CodeNeeded(self._new_ticket(name))
        return self._enter(name, address)

    def sign_in_with_code(self, *, ticket: str, code: str, address: str | None) -> str:
        """Check the code of who holds a ticket, and return the secret of a new sign-in.

        Raises SignInRefused, TooManyTries, Unavailable.
        """
        name, ends = self._tickets.get(ticket, ("", 0.0))
        if self._clock() >= ends:
            self._tickets.pop(ticket, None)
            raise SignInRefused("This took too long. Sign in again.")
        with told():
            secret = second_factors.code_secret_of(self._directory, KeyRing.of(self._get_settings()), name)
        self._check_code(name, secret, code, address)
        self._tickets.pop(ticket, None)
        return self._enter(name, address)

    def sign_in_with_passkey(self, visitor: Visitor, answer: str, address: str | None) -> str:
        """Check a passkey, and return the secret of a new sign-in. Raises OperationError."""
        return self._enter(self.passkeys.holder(visitor, answer), address)

    def signed_in(self, secret: str, address: str | None, *, is_use: bool = True) -> Caller | None:
        """Return who signed in with this secret; None where nobody did, or it has ended. is_use: it puts off the end.

        Raises Unavailable.
        """
        with told():
            person = sign_ins.signed_in(self._directory, secret, is_use=is_use)
        if person is None:
            return None
        roles = frozenset(map(Role, person.roles))
        return Caller(person.name, roles, SOURCE, organization=person.organization, address=address)

    def identity_of(self, secret: str) -> str:
        """Return what names the sign-in of this secret."""
        return sign_ins.identity_of(secret)

    def sign_out(self, secret: str, caller: Caller) -> None:
        """End a sign-in; one that has ended already is left so. Raises Unavailable."""
        author = Author(caller.name, SOURCE, "Sign-Out", address=caller.address, organization=caller.organization)
        with told(), self._directory.change(self._get_settings(), author) as change:
            sign_ins.end(change, secret)

    # What somebody changes of his own ways in.

    def has_code_app(self, caller: Caller) -> bool:
        """Whether a code is asked for. Raises Unavailable."""
        with told():
            return second_factors.has_code_app(self._directory, caller.name)

    def has_password(self, caller: Caller) -> bool:
        """Whether a password opens. Raises Unavailable."""
        with told():
            return sign_ins.password_hash_of(self._directory, caller.name) is not None

    def prove(self, caller: Caller, password: str) -> None:
        """Check the password of who has signed in already, where he has one. Raises SignInRefused, TooManyTries."""
        if self.has_password(caller):
            self._check_password(caller.name, password, caller.address)

    def change_password(self, caller: Caller, password: str) -> str:
        """Set another password, end the caller's sign-ins, and return the secret of a new one. Raises BadValue."""
        if len(password) < PASSWORD_LENGTH_MIN:
            raise BadValue(f"Write {PASSWORD_LENGTH_MIN} characters at least.", parameter="NewPassword")
        hashed = hash_password(password)
        with told(), self._directory.change(self._get_settings(), _author(caller, "Set-OwnPassword")) as change:
            set_password(change, caller.name, hashed)
        return self._begin(caller.name, caller.address)

    def start_codes(self, caller: Caller, secret: str, code: str) -> None:
        """Ask for codes from now on, once one was right. secret: base32, of new_code_secret(). Raises BadValue."""
        step = self._step_of(secret, code) if is_code_secret(secret) else None
        if step is None:
            raise BadValue("This code is wrong. Type the one that the app shows now.", parameter="Code")
        with told(), self._directory.change(self._get_settings(), _author(caller, "Enable-CodeApp")) as change:
            second_factors.set_code_secret(change, KeyRing.of(self._get_settings()), caller.name, secret, step=step)

    def stop_codes(self, caller: Caller) -> None:
        """Ask for no code any more. Raises Unavailable."""
        with told(), self._directory.change(self._get_settings(), _author(caller, "Disable-CodeApp")) as change:
            second_factors.set_code_secret(change, KeyRing.of(self._get_settings()), caller.name, None)

    # Inside.

    def _check_password(self, name: str, password: str, address: str | None) -> None:
        place = _place(address)
        guess = self._began(name, password, place)
        with told():
            hashed = sign_ins.password_hash_of(self._directory, name)
        with self._checks:
            is_right = verify(hashed or _nobodys_hash(), password.encode(errors="surrogatepass"))
        if hashed is None or not is_right:
            raise SignInRefused("Name or password is wrong.", guess.wait_seconds)
        self._guesses.take_back(guess)

    def _check_code(self, name: str, secret: str | None, code: str, address: str | None) -> None:
        # A code that was wrong may be right in the next step: typed again it is another guess, as no password is.
        guess = self._began(name, f"code {self._directory.now() // _STEP_SECONDS} {code}", _place(address))
        step = self._step_of(secret, code) if secret is not None else None
        with told():
            if step is None or not second_factors.use_code(self._directory, name, step):
                raise SignInRefused("This code is wrong, or was used already.", guess.wait_seconds)
        self._guesses.take_back(guess)

    def _step_of(self, secret: str, code: str) -> int | None:
        """Return the step of time whose code this is, the last, this or the next one (RFC 6238 §5.2)."""
        totp, now = pyotp.TOTP(secret), int(self._directory.now())
        typed = code.replace(" ", "")
        for step in range(now // totp.interval - 1, now // totp.interval + 2):
            if hmac.compare_digest(totp.generate_otp(step).encode(), typed.encode(errors="replace")):
                return step
        return None

    def _new_ticket(self, name: str) -> str:
        ticket = secrets.token_urlsafe(32)
        self._tickets[ticket] = (name, self._clock() + _TICKET_SECONDS)
        while len(self._tickets) > _TICKETS_MAX:
            self._tickets.popitem(last=False)
        return ticket

    def _began(self, name: str, proof: str, place: IPv4Address | IPv6Address) -> Guess:
        """Raises TooManyTries."""
        now = self._clock()
        if self._guesses.is_shut(_folded(name), place, now):
            raise TooManyTries("There were too many wrong tries. Wait some minutes, and try again.")
        # The name belongs to it: one password tried at every name is as many guesses.
        octets = f"{_folded(name)}\0{proof}".encode(errors="surrogatepass")
        digest = hashlib.blake2b(octets, key=self._key, digest_size=16).digest()
        return self._guesses.began(_folded(name), place, digest, now)

    def _enter(self, name: str, address: str | None) -> str:
        """All proofs were good, and he is at home here. Raises SignInRefused where he was shut out meanwhile."""
        try:
            secret = self._begin(name, address)
        except NotFound:
            raise SignInRefused("Name or password is wrong.") from None
        self._guesses.succeeded(_folded(name), _place(address))
        return secret

    def _begin(self, name: str, address: str | None) -> str:
        author = Author(name, SOURCE, "Sign-In", address=address)
        with told(), self._directory.change(self._get_settings(), author) as change:
            return sign_ins.begin(change, name)


def _place(address: str | None) -> IPv4Address | IPv6Address:
    try:
        return ip_address(address or "")
    except ValueError:
        return _NOWHERE


def new_code_secret() -> str:
    """Make the secret of a code app, in base32."""
    return pyotp.random_base32()


def is_code_secret(text: str) -> bool:
    """Whether this is one, as new_code_secret() makes them: 160 bits (RFC 4226 §4, R6)."""
    return _CODE_SECRET.fullmatch(text) is not None


def code_address(secret: str, name: str, host: str) -> str:
    """Return what a code app reads from a QR code."""
    return pyotp.TOTP(secret, name=name, issuer=f"Staffetta {host}").provisioning_uri()


def _author(caller: Caller, operation: str) -> Author:
    return Author(caller.name, caller.source, operation, address=caller.address, organization=caller.organization)


def _folded(name: str) -> str:
    return name.strip().casefold()[:200]


@cache
def _nobodys_hash() -> str:
    return hash_password(new_password())
