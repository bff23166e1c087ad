"""MTA-STS policies of domains: got by HTTPS, kept in memory and on disk, and got again (RFC 8461 §3.3, §5.1).

Rule 1: a policy that was had counts until it ends, whatever becomes of its record or its web server: who can make them
    silent for an hour must not gain clear text by it.
Rule 2: it is got again when the record has another id, and a day after it was got; a domain whose policy cannot be had
    is left alone for a while.
"""

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import structlog

from staffetta.delivery.mtasts import StsPolicy, print_policy, read_policy, read_record
from staffetta.delivery.sts_fetching import HTTPS_PORT, PolicyUnavailable, fetch_policy
from staffetta.net.https import https_client
from staffetta.net.resolver import LookupFailed, Resolver

CONNECT_SECONDS = 10.0
GET_AGAIN_SECONDS = 86_400.0
AFTER_FAILURE_SECONDS = 300.0  # RFC 8461 §3.3
_KEPT_MAX = 10_000

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StsProblem:
    """Why a policy that a domain announces cannot be had. result_type: of RFC 8460 §4.3."""

    result_type: str
    reason: str


@dataclass(slots=True)
class _Kept:
    """A domain's policy. Times are seconds since 1970. id: of the record that announced it.

    problem: what kept us from getting the one that is announced now.
    """

    policy: StsPolicy | None = None
    id: str = ""
    got_at: float = 0.0
    not_before: float = 0.0
    problem: StsProblem | None = None
    getting: asyncio.Lock = field(default_factory=asyncio.Lock)

    def in_force(self, now: float) -> StsPolicy | None:
        policy = self.policy
        return policy if policy is not None and now < self.got_at + policy.max_age_seconds else None


class StsPolicies:
    """See the head of this file. folder: made when it is needed. Belongs to one event loop."""

    def __init__(
        self,
        folder: Path,
        resolver: Resolver,
        *,
        now: Callable[[], float] = time.time,
        port: int = HTTPS_PORT,
        make_client: Callable[[], httpx2.AsyncClient] | None = None,
    ) -> None:
        self._folder = folder
        self._resolver = resolver
        self._now = now
        self._port = port
        self._make_client = make_client or (
            lambda: https_client(connect_seconds=CONNECT_SECONDS, reply_seconds=CONNECT_SECONDS)
        )
        self._http: httpx2.AsyncClient | None = None
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def of(self, domain: str, *, allows_private: bool = False) -> StsPolicy | None:
        """Return the policy in force, whatever its mode, None where there is none. Never raises."""
        kept = await self._kept_of(domain)
        try:
            found = read_record((await self._resolver.txt(f"_mta-sts.{domain}")).records)
        except LookupFailed:
            found = None
        if found is None:
            kept.problem = None
        elif self._is_due(kept, found):
            async with kept.getting:
                if self._is_due(kept, found):
                    await self._get(domain, kept, found, allows_private)
        return kept.in_force(self._now())

    def problem_of(self, domain: str) -> StsProblem | None:
        """Return why the policy that a domain announces could not be had when it was asked for last."""
        kept = self._kept.get(domain)
        return kept.problem if kept is not None else None

    async def close(self) -> None:
        """Let go of connections."""
        if self._http is not None:
            await self._http.aclose()

    def _is_due(self, kept: _Kept, found: str) -> bool:
        now = self._now()
        if now < kept.not_before:
            return False
        return kept.in_force(now) is None or kept.id != found or now >= kept.got_at + GET_AGAIN_SECONDS

    async def _kept_of(self, domain: str) -> _Kept:
        kept = self._kept.get(domain)
        if kept is None:
            read = await asyncio.to_thread(self._read, domain)
            kept = self._kept.setdefault(domain, read)
            while len(self._kept) > _KEPT_MAX:
                self._kept.popitem(last=False)
        self._kept.move_to_end(domain)
        return kept

    async def _get(self, domain: str, kept: _Kept, found: str, allows_private: bool) -> None:
        """Get the policy, or leave the old one."""
        if self._http is None:
            self._http = self._make_client()
        try:
            kept.policy = await fetch_policy(
                self._http, self._resolver, domain, port=self._port, allows_private=allows_private
            )
        except PolicyUnavailable as error:
            kept.not_before = self._now() + AFTER_FAILURE_SECONDS
            kept.problem = StsProblem(error.result_type, str(error))
            _log.warning(
                "no MTA-STS policy",
                domain=domain,
                error=kept.problem.reason,
                is_old_one_in_force=kept.in_force(self._now()) is not None,
            )
            return
        kept.id, kept.got_at, kept.not_before, kept.problem = found, self._now(), 0.0, None
        await asyncio.to_thread(self._write, domain, kept)

    # On disk: one file for each domain, whose name is its A-labels.

    def _read(self, domain: str) -> _Kept:
        try:
            told = json.loads((self._folder / f"{domain}.json").read_bytes())
            return _Kept(read_policy(told["policy"]), str(told["id"]), float(told["got_at"]))
        except (OSError, ValueError, KeyError, TypeError):
            return _Kept()

    def _write(self, domain: str, kept: _Kept) -> None:
        assert kept.policy is not None
        told = {"id": kept.id, "got_at": kept.got_at, "policy": print_policy(kept.policy)}
        file = self._folder / f"{domain}.json"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = file.with_suffix(".new")
            new.write_text(json.dumps(told))
            new.replace(file)
        except OSError as error:  # it counts until the next start all the same
            _log.warning("MTA-STS policy not kept", domain=domain, error=error.strerror)
