"""Whether a client is who it says: passwords, tokens, and the pace at which anyone may try.

Rule 1: hashes and tokens are checked in threads, few at a time, so that the loop goes on and memory is bounded.
Rule 2: who does not exist costs what a wrong password costs, and both answers wait.
Rule 3: a password that was right is known again for a while, by a digest under a key of this process: devices log in
for every message.
"""

import asyncio
import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from staffetta.net.proxy import IPAddress
from staffetta.net.tokens import KeysUnavailable, TokenRefused, Tokens
from staffetta.policy import authentication
from staffetta.policy.decision import Decision, Reason
from staffetta.policy.guessing import DELAY_SECONDS_MAX, Guesses
from staffetta.settings import passwords
from staffetta.settings.model import Settings
from staffetta.settings.objects import Account
from staffetta.smtp import reply
from staffetta.smtp.credentials import PasswordLogin, TokenLogin
from staffetta.smtp.events import Authenticate

_CHECKS_AT_A_TIME = 2
_WAITING_MAX = 200  # for a thread; beyond it a client is asked to come again
_KNOWN_SECONDS = 900.0
_KNOWN_MAX = 10_000
_CAUSE_CHARACTERS_MAX = 512  # it may quote a token's claims

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Verdict:
    """account: who the client is; None where the decision refuses."""

    decision: Decision
    account: Account | None = None


class _Wrong(Exception):
    """The credentials are not right; the text says why, for the trace alone."""


class _Unavailable(Exception):
    """It cannot be said now."""


class Authenticator:
    """See the head of this file. One for all listeners: a guesser gains nothing by another port.

    workers: how many there are. clock: any steady one. pause: waits so many seconds.
    """

    def __init__(
        self,
        *,
        tokens: Tokens | None = None,
        workers: int = 1,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._tokens = tokens or Tokens()
        self._clock = clock
        self._pause = pause
        self._guesses = Guesses(workers)
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, float] = OrderedDict()  # digest of what was right, to when it was
        self._accounts: tuple[Settings | None, dict[str, Account]] = (None, {})
        self._for_passwords = ThreadPoolExecutor(_CHECKS_AT_A_TIME, "passwords")
        self._for_tokens = ThreadPoolExecutor(_CHECKS_AT_A_TIME, "tokens")
        self._waiting = 0
        self._decoy = ""

    async def judge(self, login: Authenticate, peer: IPAddress, settings: Settings) -> Verdict:
        """Check credentials. Takes up to some seconds where they are wrong."""
        began = self._clock()
        name = login.credentials.user_name
        evidence = {"user_name": name, "mechanism": str(login.mechanism)}
        if self._guesses.is_shut(_folded(name), peer, began):
            await self._pause(DELAY_SECONDS_MAX)
            return Verdict(Decision(reply.AUTH_LATER, Reason.TOO_MANY_GUESSES, evidence))
        # The name belongs to it: one password tried at every account is as many guesses.
        digest = self._digest(f"{_folded(name)}\0".encode() + _secret(login))
        guess = self._guesses.began(_folded(name), peer, digest, began)
        try:
            account = await self._checked(login, settings)
        except _Unavailable as trouble:
            self._guesses.take_back(guess)
            evidence["cause"] = str(trouble)
            return Verdict(Decision(reply.AUTH_LATER, Reason.AUTHENTICATION_UNAVAILABLE, evidence))
        except _Wrong as wrong:
            evidence["cause"] = str(wrong)[:_CAUSE_CHARACTERS_MAX]
            await self._pause(max(0.0, guess.wait_seconds - (self._clock() - began)))
            return Verdict(Decision(reply.AUTHENTICATION_UNSUCCESSFUL, Reason.AUTHENTICATION_FAILED, evidence))
        self._guesses.take_back(guess)
        self._guesses.succeeded(_folded(name), peer)
        decision = authentication.log_in(account, settings)
        return Verdict(decision, account if decision.is_accepted else None)

    def close(self) -> None:
        """Check nothing more."""
        self._for_passwords.shutdown(wait=False, cancel_futures=True)
        self._for_tokens.shutdown(wait=False, cancel_futures=True)

    async def _checked(self, login: Authenticate, settings: Settings) -> Account:
        """Return the account whose credentials these are. Raises _Wrong, _Unavailable."""
        account = self._account(login.credentials.user_name, settings)
        if isinstance(login.credentials, TokenLogin):
            await self._check_token(login.credentials, settings)
        else:
            await self._check_password(login.credentials, account)
        if account is None:
            raise _Wrong("there is no such account")
        return account

    async def _check_token(self, login: TokenLogin, settings: Settings) -> None:
        try:
            work = partial(self._tokens.user_of, login.token, settings.token_issuers)
            user = await self._in_thread(self._for_tokens, work)
        except TokenRefused as refused:
            raise _Wrong(f"the token: {refused}") from None
        except KeysUnavailable as trouble:
            raise _Unavailable(f"the issuer's keys cannot be read: {trouble}") from None
        if _folded(user) != _folded(login.user_name):
            raise _Wrong(f"the token is {user}'s")

    async def _check_password(self, login: PasswordLogin, account: Account | None) -> None:
        hashes = account.password_hashes if account else ()
        digests = {self._digest(f"{login.user_name}\0{each}\0".encode() + login.password): each for each in hashes}
        if any(self._is_known(digest) for digest in digests):
            return
        if not hashes:
            await self._in_thread(self._for_passwords, partial(self._check_decoy, login.password))
            raise _Wrong("there is no such account" if account is None else "the account has no password")
        for digest, each in digests.items():
            if await self._in_thread(self._for_passwords, partial(passwords.verify, each, login.password)):
                self._remember(digest)
                return
        raise _Wrong("the password is wrong")

    def _check_decoy(self, password: bytes) -> None:
        self._decoy = self._decoy or passwords.hash_password(secrets.token_hex())
        passwords.verify(self._decoy, password)

    async def _in_thread(self, pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        if self._waiting >= _WAITING_MAX:
            raise _Unavailable("too many wait to be checked")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, work)
        finally:
            self._waiting -= 1

    def _account(self, user_name: str, settings: Settings) -> Account | None:
        if self._accounts[0] is not settings:
            self._accounts = (settings, {_folded(account.user_name): account for account in settings.accounts})
        return self._accounts[1].get(_folded(user_name))

    def _digest(self, octets: bytes) -> bytes:
        return hashlib.blake2b(octets, key=self._key, digest_size=16).digest()

    def _is_known(self, digest: bytes) -> bool:
        return self._clock() - self._known.get(digest, -_KNOWN_SECONDS) < _KNOWN_SECONDS

    def _remember(self, digest: bytes) -> None:
        self._known.pop(digest, None)
        self._known[digest] = self._clock()
        while len(self._known) > _KNOWN_MAX:
            self._known.popitem(last=False)


def _folded(user_name: str) -> str:
    """Names differ by more than upper and lower case."""
    return user_name.lower()


def _secret(login: Authenticate) -> bytes:
    match login.credentials:
        case PasswordLogin(password=password):
            return password
        case TokenLogin(token=token):
            return token.encode()
