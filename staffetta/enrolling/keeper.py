"""Keeps the certificate of [acme]: orders it when it is due, and again, later and later, while that fails.

Rule 1: mail does not wait for it: until there is a certificate listeners serve with one of our own making.
Rule 2: one file has certificate, chain and key, and is put in the old one's place whole; who serves with it sees a
new file and reads it, in whichever process.
Rule 3: an order runs in a thread that nobody waits for at the end, since an authority may take a minute to answer.
"""

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import structlog

from staffetta import metrics
from staffetta.enrolling.answering import answering
from staffetta.enrolling.schedule import due_at, moment, wait_after
from staffetta.enrolling.wanted import NotIssued, Order, Put
from staffetta.net.tls import self_signed
from staffetta.settings.acme import Acme, acme_certificate, acme_folder, acme_names
from staffetta.settings.acme_state import AcmeState, read_acme_state, write_acme_state
from staffetta.settings.model import Settings
from staffetta.settings.whole_files import write_whole

_LOOK_SECONDS = 21_600.0  # between two questions when the authority would have us renew (RFC 9773 §4.3.2)
_SHORTEST_WAIT_SECONDS = 1.0
_REST_AFTER_START_SECONDS = 900.0  # four in an hour; Let's Encrypt bears five failures

Result = TypeVar("Result")

_log = structlog.get_logger()


def begin_with_own(settings: Settings) -> None:
    """Make the file that listeners serve with until there is a certificate. Raises OSError."""
    path = acme_certificate(settings.data_dir)
    if settings.acme is None or path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificate, key = self_signed(acme_names(settings)[0], datetime.now(UTC))
    write_whole(path, certificate + key)


class CertificateKeeper:
    """See the head of this file. Belongs to the event loop that runs it.

    get_settings: the snapshot of now. now: seconds since 1970. draw: 0 to 1, for the spread of orders after failures.
    """

    def __init__(
        self,
        get_settings: Callable[[], Settings],
        *,
        now: Callable[[], float] = time.time,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._get_settings = get_settings
        self._now = now
        self._draw = draw
        self._failures = 0
        self._is_wanted = asyncio.Event()

    def look_again(self) -> None:
        """Try now, whatever failed before: an administrator has mended something."""
        self._is_wanted.set()

    async def run(self) -> None:
        """Look at once, then when it is due and when told, until cancelled.

        Shortly after a failure before the start it is not at once: a relay that is started again and again must not
        use up what the authority bears.
        """
        settings = self._get_settings()
        if settings.acme is not None:
            await self._rest(self.rest_after_start(settings))
        while (acme := self._get_settings().acme) is not None:
            self._is_wanted.clear()
            await self._rest(max(await self.look(acme), _SHORTEST_WAIT_SECONDS))

    def rest_after_start(self, settings: Settings) -> float:
        """Take up where the last process stood, and return the seconds until the first look."""
        state = read_acme_state(settings.data_dir)
        if state is None or not state.failures:
            return 0.0
        self._failures = state.failures
        metrics.ACME_FAILURES.set(state.failures)
        return max(0.0, min(state.next_at, state.at + _REST_AFTER_START_SECONDS) - self._now())

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._is_wanted.wait()

    async def look(self, acme: Acme) -> float:
        """Order where it is due, and return the seconds until the next look."""
        settings = self._get_settings()
        names = acme_names(settings)
        order = Order(acme, names, acme_folder(settings.data_dir) / "account.pem")
        try:
            due = await self._due_at(settings, order)
            if due <= self._now():
                pem = await self._ordered(order)
                due = due_at(pem, names)
                if due <= self._now():
                    raise NotIssued(
                        "the certificate that was issued has other names, or has ended by this machine's clock"
                    )
                await asyncio.to_thread(write_whole, acme_certificate(settings.data_dir), pem)
                self._note_success(settings, due)
        except (NotIssued, OSError, ValueError) as error:
            return self._note_failure(settings, str(error))
        metrics.ACME_NEXT_ORDER.set(due)
        return min(due - self._now(), _LOOK_SECONDS)

    async def _due_at(self, settings: Settings, order: Order) -> float:
        try:
            pem = await asyncio.to_thread(acme_certificate(settings.data_dir).read_bytes)
            due = due_at(pem, order.names)
        except (FileNotFoundError, ValueError):  # somebody took it away, or wrote something else into it
            return 0.0
        if due == 0.0:
            return due
        return due_at(pem, order.names, await _beside(lambda: _suggested(order, pem)))

    async def _ordered(self, order: Order) -> bytes:
        async with answering(order.acme) as answers:
            return await _beside(lambda: _issued(order, answers.put))

    def _note_success(self, settings: Settings, due: float) -> None:
        self._failures = 0
        metrics.ACME_ORDERS.labels("issued").inc()
        metrics.ACME_FAILURES.set(0)
        self._keep(settings, AcmeState(self._now(), due))
        _log.info("certificate issued", names=", ".join(acme_names(settings)), next_order=moment(due))

    def _note_failure(self, settings: Settings, words: str) -> float:
        self._failures += 1
        wait = wait_after(self._failures, self._draw())
        metrics.ACME_ORDERS.labels("failed").inc()
        metrics.ACME_FAILURES.set(self._failures)
        metrics.ACME_NEXT_ORDER.set(self._now() + wait)
        self._keep(settings, AcmeState(self._now(), self._now() + wait, self._failures, words[:1000]))
        _log.error(
            "certificate not issued", error=words, failures=self._failures, next_order=moment(self._now() + wait)
        )
        return wait

    def _keep(self, settings: Settings, state: AcmeState) -> None:
        try:
            write_acme_state(settings.data_dir, state)
        except OSError as error:
            _log.error("state of the order not kept", error=error.strerror)


# The library and what it needs take 5 MiB, which a relay without [acme] does not spend.


def _issued(order: Order, put: Put) -> bytes:
    from staffetta.enrolling.order import issue

    return issue(order, put)


def _suggested(order: Order, pem: bytes) -> float | None:
    from staffetta.enrolling.order import suggested_renewal

    return suggested_renewal(order, pem)


async def _beside(work: Callable[[], Result]) -> Result:
    """Run what blocks in a thread of its own, which does not hold up the end of the process. Raises what it raises."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()

    def tell(result: Result | None, error: Exception | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        try:
            result = work()
        except NotIssued as error:
            _call(loop, tell, None, error)
        except BaseException:
            _call(loop, tell, None, NotIssued("a mistake of the relay's own; its traceback stands before this line"))
            raise
        else:
            _call(loop, tell, result, None)

    threading.Thread(target=run, name="certificate order", daemon=True).start()
    return await done


def _call(loop: asyncio.AbstractEventLoop, tell: Callable[..., None], *arguments: object) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
        loop.call_soon_threadsafe(tell, *arguments)
