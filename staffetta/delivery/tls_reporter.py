"""Sending the reports on TLS, once a day, to the domains that ask for them (RFC 8460 §5).

Rule 1: a report goes by mail, as any message of ours, or by HTTPS; the first place that takes it is enough.
Rule 2: what nobody took within two days is forgotten.
Rule 3: where settings name a key, no report is mailed without its signature.
"""

import asyncio
import random
import sqlite3
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx2
import structlog

from staffetta.delivery.report_signature import KeyUnusable, signed
from staffetta.delivery.tls_report import Reporter, document, mail, mailbox_of, packed, read_rua
from staffetta.delivery.tls_tally import TlsTally, day_of, finished_days, forget, results
from staffetta.mail.address import Mailbox, parse_mailbox
from staffetta.net.https import https_client
from staffetta.net.own_addresses import pinned
from staffetta.net.resolver import LookupFailed, Resolver
from staffetta.settings.model import Settings, TlsReports
from staffetta.settings.secrets import SecretUnavailable, read_secret

FLUSH_SECONDS = 60.0
LOOK_SECONDS = 3600.0
KEPT_SECONDS = 2 * 86_400.0
_POST_SECONDS = 30.0

SendMail = Callable[[Mailbox, Mailbox, bytes], Awaitable[None]]
"""Commits a message of ours: reverse-path, recipient, content."""

_log = structlog.get_logger()


class TlsReporter:
    """See the head of this file. get_resolver: the resolver of now."""

    def __init__(
        self,
        get_settings: Callable[[], Settings],
        tally: TlsTally,
        get_resolver: Callable[[Settings], Resolver],
        send_mail: SendMail,
        *,
        now: Callable[[], float] = time.time,
        make_client: Callable[[], httpx2.AsyncClient] | None = None,
        allows_private: bool = False,
    ) -> None:
        self._get_settings = get_settings
        self._tally = tally
        self._get_resolver = get_resolver
        self._send_mail = send_mail
        self._now = now
        self._allows_private = allows_private
        self._make_client = make_client or (
            lambda: https_client(connect_seconds=_POST_SECONDS, reply_seconds=_POST_SECONDS)
        )

    async def run(self, *, is_reporting: bool = True) -> None:
        """Write down what is counted, and look for days to report, until cancelled.

        is_reporting: left to one of several workers, whose counts are in one place.
        """
        # RFC 8460 §4.1: not all of the world at midnight.
        next_look = self._now() + random.random() * LOOK_SECONDS
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            settings = self._get_settings()
            await asyncio.to_thread(self._tally.flush, settings.data_dir)
            if is_reporting and settings.tls_reports.enabled and self._now() >= next_look:
                next_look = self._now() + LOOK_SECONDS
                await self.report()

    async def report(self) -> None:
        """Send what is due. Never raises for what others do wrong."""
        settings = self._get_settings()
        folder, today = settings.data_dir, day_of(self._now())
        reporter = Reporter(settings.hostname, settings.tls_reports.contact or f"postmaster@{settings.hostname}")
        try:
            for day, domain in await asyncio.to_thread(finished_days, folder, today):
                is_old = day < day_of(self._now() - KEPT_SECONDS)
                if is_old or await self._report_on(settings, reporter, domain, day):
                    await asyncio.to_thread(forget, folder, day, domain)
        except (sqlite3.Error, OSError) as error:
            _log.warning("TLS reports not sent", error=str(error))

    async def _report_on(self, settings: Settings, reporter: Reporter, domain: str, day: str) -> bool:
        """Return whether nothing is left to do for this day."""
        try:
            resolver = self._get_resolver(settings)
            answer = await resolver.txt(f"_smtp._tls.{domain}")
        except LookupFailed:
            return False
        places = read_rua(answer.records)
        if not places:
            return True
        found = await asyncio.to_thread(results, settings.data_dir, day, domain)
        report = packed(document(reporter, domain, day, found))
        for place in places:
            try:
                await self._send(place, reporter, domain, day, report, resolver)
            except (httpx2.HTTPError, LookupFailed, ValueError) as error:
                _log.warning("TLS report not taken", domain=domain, place=place, error=str(error))
            else:
                _log.info("TLS report sent", domain=domain, day=day, place=place)
                return True
        return False

    async def _send(
        self, place: str, reporter: Reporter, domain: str, day: str, report: bytes, resolver: Resolver
    ) -> None:
        """Raises httpx2.HTTPError, LookupFailed, ValueError."""
        if place.lower().startswith("https://"):
            named = urlsplit(place)
            url, headers = await pinned(named, resolver, allows_private=self._allows_private)
            headers |= {"Content-Type": "application/tlsrpt+gzip"}
            async with self._make_client() as http:
                answer = await http.post(
                    url, content=report, headers=headers, extensions={"sni_hostname": named.hostname}
                )
                answer.raise_for_status()
            return
        to = mailbox_of(place)
        at = datetime.fromtimestamp(self._now(), UTC)
        content = mail(reporter, to, domain, day, report, at)
        content = await asyncio.to_thread(_signed, content, reporter, self._get_settings().tls_reports)
        await self._send_mail(parse_mailbox(reporter.contact), parse_mailbox(to), content)


def _signed(content: bytes, reporter: Reporter, settings: TlsReports) -> bytes:
    """Return the content, signed where a key is named. Reads the key; raises KeyUnusable."""
    if settings.dkim_selector is None or settings.dkim_key is None:
        return content
    try:
        key = read_secret(settings.dkim_key)
    except SecretUnavailable as error:
        raise KeyUnusable(str(error)) from None
    return signed(content, domain=reporter.domain, selector=settings.dkim_selector, key=key)
