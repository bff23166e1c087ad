"""Wires the rooms into a running relay: start, reload, stop. The only file that knows every room."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog
from prometheus_client import REGISTRY
from prometheus_client.registry import Collector

from staffetta import metrics
from staffetta.admin.http import WebServer, console_tls
from staffetta.delivery.courier import Couriers
from staffetta.delivery.hops import NextHops
from staffetta.delivery.tls_reporter import TlsReporter
from staffetta.directory.live import LiveSettings
from staffetta.directory.sealing import KeyRing, KeyUnavailable
from staffetta.directory.second_factors import seal_code_secrets, trouble_of_key
from staffetta.directory.sign_ins import new_first_code
from staffetta.directory.store import Directory, DirectoryUnavailable, NotConsistent
from staffetta.enrolling.keeper import CertificateKeeper, begin_with_own
from staffetta.holding import Holding
from staffetta.mail.address import Mailbox
from staffetta.mail.envelope import Envelope, Recipient
from staffetta.mail.header import HeaderSection, section_end
from staffetta.mail.queue_id import made_at, to_text
from staffetta.net.tls import ServerContext, self_signed
from staffetta.operations.config import contradiction
from staffetta.operations.expiry import ExpiryWatch, certificate_of
from staffetta.operations.office import Office
from staffetta.operations.spools import spool_folder
from staffetta.place import ALONE, GRACE_SECONDS, Place
from staffetta.policy.decision import Reason
from staffetta.policy.route import by_route, route
from staffetta.ports import CAPTURE, CONSOLE, CannotListen, Ports, use_of
from staffetta.probing.canary import Canary
from staffetta.probing.desk import ProbeDesk
from staffetta.probing.plan import Marked, Plan, ProbeFailed
from staffetta.queue.book import Book
from staffetta.queue.manager import QueueManager
from staffetta.queue.own_mail import own_message
from staffetta.queue.slots import Slots
from staffetta.reception.authentication import Authenticator
from staffetta.reception.capture import CaptureHost
from staffetta.reception.crowd import Crowd
from staffetta.reception.listener import Listener
from staffetta.sendmail.pickup import Means, Pickup
from staffetta.settings import model
from staffetta.settings.drop import from_here, listener_for_drops
from staffetta.settings.file import Problem, SettingsError, load
from staffetta.settings.lasting import without_restart
from staffetta.settings.model import ListenerKind, Settings
from staffetta.settings.outbound import all_routes
from staffetta.settings.shares import share
from staffetta.spool.spool import SpoolUnavailable
from staffetta.spool.sqlite import SqliteSpool
from staffetta.supervisor import HandedDown
from staffetta.tally import TELL_SECONDS, Tally
from staffetta.trace.flow_recorder import FlowRecorder
from staffetta.trace.next_hops import HopState, forget_states, write_states
from staffetta.trace.search import recipients_recorded

_BACKLOG_SECONDS = 15.0  # in which some ten thousand messages may come
_ACCEPTING = (Reason.ACCEPTED, Reason.CONNECTOR, Reason.SUBMISSION, Reason.DIRECT_SEND)
_CERTIFICATES_SECONDS = 2.0  # between two looks at the files of certificates

_log = structlog.get_logger()


class Relay:
    """A whole relay on one event loop. Between start() and stop() it answers the web side (admin.http.Status)."""

    def __init__(self, settings: Settings, config: Path, place: Place = ALONE, ports: Ports | None = None) -> None:
        """place: which of several workers it is. ports: bound already, and closed by whom they belong to."""
        self._settings = self._share = settings
        self._config = config
        self._place = place
        self._tally: Tally | None = None
        self._ports = ports
        self._is_draining = False
        self._authenticator = Authenticator(workers=place.of)
        self._crowd = Crowd()
        self._listeners: list[Listener] = []
        self._capture: CaptureHost | None = None
        self._web: WebServer | None = None
        self._first_code: str | None = None
        self._keeper = CertificateKeeper(self.current_settings)

    def current_settings(self) -> Settings:
        """The snapshot of now."""
        return self._settings

    def _own_share(self) -> Settings:
        """The same with this worker's share of the limits, for those who keep to them."""
        return self._share

    async def start(self) -> None:
        """Open directory and spool, take every port, then begin.

        A relay that cannot have all its ports tries no message and takes none. Raises DirectoryUnavailable,
        SpoolCannotOpen, SettingsError, CannotListen.
        """
        self._open_directory()
        settings = self._settings
        self._announce_labels()
        if self._place.of > 1:
            self._tally = Tally(spool_folder(settings), self._place)
        self._couriers = Couriers(self.current_settings, hops=NextHops(self._keep_hop_states))
        self._holding = await Holding.open(settings, self._place, self._queue_of)
        self._spool = self._holding.own
        try:
            self._begin_with_own_certificate()
            self._listeners = [self._listener(declared) for declared in settings.listeners]
            tls = self._console_tls(settings.console)
            ports = self._ports or Ports(handed_down=HandedDown())
            ports.settle(settings)
        except (SettingsError, CannotListen):
            await self._holding.close()
            raise
        await self._holding.start()
        await self._listen(settings, ports, tls)
        if self._ports is None:
            ports.close()
        self._flow = FlowRecorder(self._spool.count_flow, time.time)
        self._expiry = ExpiryWatch(self.current_settings, lambda: datetime.now(UTC))
        self._watches = [
            asyncio.create_task(self._watch_certificates(), name="certificate watch"),
            asyncio.create_task(self._live.watch(), name="directory watch"),
            asyncio.create_task(self._tls_reporter().run(is_reporting=self._place.is_first), name="TLS reports"),
            asyncio.create_task(self._flow.run(), name="flow"),
            asyncio.create_task(self._watch_backlog(), name="backlog watch"),
            asyncio.create_task(self._tell(), name="tally"),
            *(self._what_one_does_alone() if self._place.is_first else ()),
        ]

    def _what_one_does_alone(self) -> Iterator["asyncio.Task[None]"]:
        forget_states(self._settings.data_dir, self._place.of)
        yield asyncio.create_task(self._expiry.run(), name="expiry watch")
        yield asyncio.create_task(ProbeDesk(self.current_settings, self._put_probe).run(), name="probes asked for")
        yield asyncio.create_task(self._canary().run(), name="probes by the clock")
        yield asyncio.create_task(self._keeper.run(), name="certificate order")
        for pickup in self._pickups():
            yield asyncio.create_task(pickup.run(), name="drop folder")

    def _queue_of(self, spool: SqliteSpool, book: Book | None, slots: Slots | None) -> QueueManager:
        return QueueManager(
            spool,
            self._couriers,
            self._own_share,
            route_notification=self._route_notification,
            book=book,
            slots=slots,
        )

    async def _watch_backlog(self) -> None:
        """Tell reception how much waits, so that it takes no more than can be kept in order."""
        while True:
            with contextlib.suppress(SpoolUnavailable):
                self._crowd.backlog = sum(count.recipients for count in await self._holding.counts())
            await asyncio.sleep(_BACKLOG_SECONDS)

    async def _tell(self) -> None:
        """Tell the first worker what this one has counted; one alone tells nobody."""
        while self._tally is not None:
            try:
                await self.refresh_metrics()
                self._tally.tell(self.obstacles())
            except (OSError, SpoolUnavailable) as error:
                _log.error("what was counted is not told", error=str(error))
            await asyncio.sleep(TELL_SECONDS)

    async def _watch_certificates(self) -> None:
        while True:
            await asyncio.sleep(_CERTIFICATES_SECONDS)
            self._renew_certificates(only_changed=True)

    async def _listen(self, settings: Settings, ports: Ports, tls: ssl.SSLContext | None) -> None:
        """tls: the console's."""
        for listener in self._listeners:
            await listener.start(ports.take(use_of(listener.name)))
        if settings.console and self._place.is_first:
            self._first_code = new_first_code(self._directory)
            office = Office(self._directory, self.current_settings)
            self._web = WebServer(self, office, ports.take(CONSOLE), settings.console, tls)
            self._web.start()
        if settings.capture and self._place.is_first:
            name = settings.capture.hostname or f"outside.{settings.hostname}"
            self._capture = CaptureHost(settings.capture.path, name, settings.limits)
            await self._capture.start(ports.take(CAPTURE))

    def reload(self) -> None:
        """Read the settings file again; a bad one is logged, and the settings stay as they are."""
        try:
            settings = load(self._config)
            settings, late = without_restart(settings, self._settings)
            self._live.declare(settings)
        except (SettingsError, NotConsistent, DirectoryUnavailable) as error:
            _log.error("settings not reloaded", error=str(error))
            return
        self._announce_labels()
        self._renew_certificates(only_changed=False)
        self._keeper.look_again()
        _log.info("settings reloaded", needs_restart=", ".join(late) or None)

    async def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """Take nothing new, let what is under way finish within the grace, and close the spool last."""
        self._is_draining = True
        metrics.DRAINING.set(1)
        _log.info("draining")
        for watch in self._watches:
            watch.cancel()
        draining = [listener.drain(grace_seconds) for listener in self._listeners]
        await asyncio.gather(*draining, self._holding.drain(grace_seconds))
        await self._couriers.close()
        self._authenticator.close()
        if self._capture:
            self._capture.stop()
        if self._web:
            await self._web.stop()
        self._flow.look()
        await self._holding.close()
        self._directory.close()
        _log.info("stopped")

    # What the web side asks.

    def obstacles(self) -> Sequence[str]:
        """Why the relay cannot take mail now; empty when it can."""
        draining = ["draining"] if self._is_draining else []
        others = self._tally.obstacles() if self._tally and self._place.is_first else ()
        return [*draining, *self._holding.troubles(), *others]

    def exposed(self) -> Collector:
        """Return the metrics of all workers."""
        return self._tally or REGISTRY

    async def refresh_metrics(self) -> None:
        """Bring the gauges of queue and disk up to date."""
        metrics.SPOOL_FREE_BYTES.set(self._spool.free_octets())
        metrics.SPOOL_TROUBLE.set(1 if self._spool.trouble else 0)
        routes = set(all_routes(self._settings))
        counts = {(name, state): 0 for name in routes for state in metrics.RECIPIENT_STATES}
        ages = dict.fromkeys(routes, 0.0)
        now = time.time()
        for count in await self._holding.counts():
            counts[count.route, count.state] = counts.get((count.route, count.state), 0) + count.recipients
            ages[count.route] = max(ages.get(count.route, 0.0), now - made_at(count.oldest))
        for (name, state), recipients in counts.items():
            metrics.QUEUE_RECIPIENTS.labels(name, state).set(recipients)
        for name, age in ages.items():
            metrics.QUEUE_OLDEST_AGE.labels(name).set(age)

    @property
    def smtp_address(self) -> str:
        """`IP:port` of the first listener; empty where there is none."""
        return self._listeners[0].address if self._listeners else ""

    def facts(self) -> Sequence[tuple[str, str]]:
        """What runs and where, for the web side and for who started it."""
        facts = [(f"listener {listener.name}", _shown(listener)) for listener in self._listeners]
        if self._web:
            facts.append(("admin center", f"{self._web.address}/"))
        if self._web and self._first_code:
            facts.append(("first administrator", f"signs in there with the one-time code {self._first_code}"))
        if self._capture:
            facts.append(
                ("capture host", f"{self._capture.address} plays the outside, keeps mail in {self._capture.folder}")
            )
        return [*facts, ("data", str(self._settings.data_dir))]

    # Inside.

    def _open_directory(self) -> None:
        self._directory = Directory.open(self._settings.data_dir)
        self._seal_secrets()
        try:
            self._live = LiveSettings(self._directory, self._settings, self._take_settings)
        except NotConsistent as error:
            self._directory.close()
            raise contradiction(self._settings, error) from error

    def _seal_secrets(self) -> None:
        """What an older version kept in clear. A key that is not there keeps no mail from being taken."""
        try:
            if count := seal_code_secrets(self._directory, KeyRing.of(self._settings)):
                _log.info("secrets sealed that were kept in clear", count=count)
        except KeyUnavailable as error:
            _log.error("secrets of code apps are still kept in clear", error=str(error))
        if trouble := trouble_of_key(self._directory, KeyRing.of(self._settings)):
            _log.error("codes of apps cannot be checked", error=trouble)

    def _keep_hop_states(self, states: Sequence[HopState]) -> None:
        try:
            write_states(self._settings.data_dir, states, self._place.number)
        except OSError as error:
            _log.error("state of the next hops not kept", error=error.strerror)

    def _take_settings(self, settings: Settings) -> None:
        self._settings, self._share = settings, share(settings, self._place.of)

    def _route_notification(self, mailbox: Mailbox) -> tuple[str, str]:
        routed = route(mailbox, None, self._settings)
        return routed.route, routed.destination

    def _tls_reporter(self) -> TlsReporter:
        return TlsReporter(
            self.current_settings, self._couriers.tls_tally, self._couriers.exchange.resolver, self._post_report
        )

    async def _post_report(self, author: Mailbox, to: Mailbox, content: bytes) -> None:
        await self._post_own(author, to, content, reason="TLS report")

    async def _post_own(self, author: Mailbox | None, to: Mailbox, content: bytes, *, reason: str) -> None:
        """Raises OSError where the spool cannot take it."""
        envelope = Envelope(author, (Recipient(to),))
        try:
            await self._post(envelope, content, self._route_notification(to), reason=reason)
        except SpoolUnavailable as error:
            raise OSError(str(error)) from error

    def _pickups(self) -> Iterator[Pickup]:
        """One, where the settings name a drop folder; their checks say that a listener takes what lies there."""
        settings = self._settings
        declared = listener_for_drops(settings)
        if settings.drop is None or declared is None:
            return
        listener = next(each for each in self._listeners if each.name == declared.name)
        yield Pickup(
            Means(
                folder=settings.drop,
                server=from_here(listener.address),
                hostname=settings.hostname,
                octets_max=settings.limits.message_octets_max,
                expire_seconds=settings.queue.expire_seconds,
                recorded=partial(recipients_recorded, spool_folder(settings)),
                give_back=self._give_back,
            )
        )

    async def _give_back(self, to: Mailbox, content: bytes) -> None:
        await self._post_own(None, to, content, reason="notification")

    def _canary(self) -> Canary:
        return Canary(self.current_settings, self._put_probe, spool_folder(self._settings))

    async def _put_probe(self, plan: Plan, probe: Marked) -> str:
        """Raises ProbeFailed where the spool cannot take it."""
        to = by_route(plan.to, plan.route, self._settings)
        try:
            number = await self._post(probe.envelope, probe.content, (to.route, to.destination), reason="probe")
        except SpoolUnavailable as error:
            raise ProbeFailed(f"the relay cannot take it: {error}") from None
        return to_text(number)

    async def _post(self, envelope: Envelope, content: bytes, routed_to: tuple[str, str], *, reason: str) -> int:
        """Put a message of our own into the queue, and return its number. Raises SpoolUnavailable."""
        header, number = HeaderSection(content[: section_end(content)]), self._spool.next_number()
        message = own_message(
            number,
            envelope,
            content,
            message_id=header.first(b"message-id") or "",
            subject=header.first(b"subject") or "",
            routed_to=routed_to,
            told={"reason": reason},
            now=time.time(),
        )
        await self._spool.commit(message)
        return number

    def _listener(self, declared: model.Listener) -> Listener:
        own = None if declared.certificate else self._own_certificate(declared)
        try:
            return Listener(
                declared,
                spool=self._spool,
                get_settings=self._own_share,
                tls=own,
                authenticator=self._authenticator,
                crowd=self._crowd,
            )
        except (OSError, ValueError) as error:
            key = f"listeners.{declared.name}.certificate"
            raise SettingsError([Problem(str(self._config), None, key, f"it cannot be used: {error}")]) from error

    def _renew_certificates(self, *, only_changed: bool) -> None:
        """Of listeners and console; one that cannot be used is logged, and the one before stays."""
        servers: list[Listener | WebServer] = [*self._listeners, *([self._web] if self._web else [])]
        for server in servers:
            try:
                if server.renew(only_changed=only_changed):
                    _log.info("certificate read again", server=server.name)
                    self._expiry.look_again()
            except (OSError, ValueError) as error:
                _log.error("certificate not read again; the one before stays", server=server.name, error=str(error))

    def _begin_with_own_certificate(self) -> None:
        try:
            begin_with_own(self._settings)
        except OSError as error:
            problem = Problem(str(self._config), None, "data_dir", f"{error.filename}: {error.strerror}")
            raise SettingsError([problem]) from error

    def _console_tls(self, declared: model.Console | None) -> ssl.SSLContext | None:
        try:
            return console_tls(declared)
        except (OSError, ValueError) as error:
            problem = Problem(str(self._config), None, "console.certificate", f"it cannot be used: {error}")
            raise SettingsError([problem]) from error

    def _own_certificate(self, declared: model.Listener) -> ServerContext:
        """STARTTLS from the first start: a certificate of our own making, kept under the data folder."""
        path = certificate_of(declared, self._settings)
        if not path.exists():
            certificate, key = self_signed(self._settings.hostname, datetime.now(UTC))
            path.parent.mkdir(mode=0o700, exist_ok=True)
            path.touch(mode=0o600)
            path.write_bytes(certificate + key)
        pem = path.read_bytes()
        return ServerContext.load(pem, pem)

    def _announce_labels(self) -> None:
        metrics.present_at_zero(
            listeners=[listener.name for listener in self._settings.listeners],
            routes=list(all_routes(self._settings)),
            reasons=[reason for reason in Reason if reason not in _ACCEPTING],
            connectors=[connector.name for connector in self._settings.inbound_connectors],
            token_sources=[source.name for source in self._settings.token_sources],
            probes=[probe.name for probe in self._settings.probes],
        )


def _shown(listener: Listener) -> str:
    """Its address, and what a client must do there."""
    if listener.declared.kind is not ListenerKind.SUBMISSION:
        return listener.address
    first = "TLS from the first octet" if listener.declared.implicit_tls else "STARTTLS"
    return f"{listener.address} for clients that log in: {first}, then AUTH"
