"""What the doctor finds by opening sessions: our own listeners, a probe host, a time server; all on loopback."""

import asyncio
import contextlib
import struct
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from staffetta.doctor.catalogue import CHECKS
from staffetta.doctor.examination import Report, examine
from staffetta.doctor.facts import ListenerFacts, SessionFacts
from staffetta.doctor.gathering import clock
from staffetta.doctor.gathering.sessions import listeners, probe
from staffetta.reception.listener import Listener
from staffetta.settings.model import Settings
from staffetta.spool.memory import MemorySpool
from tests.certificates import NOW
from tests.unit.doctor.setups import HOSTNAME, Setup, findings, found, healthy
from tests.unit.doctor.test_online import zone

SEVERITIES = {kind.code: kind.severity for check in CHECKS for kind in check.kinds}
FREE_PORT = "127.0.0.1:1"  # nobody listens on tcpmux
GREETING = "220 mx.example.org ESMTP"
EHLO = "250-mx.example.org Hello [203.0.113.7]\r\n250-SIZE\r\n250 STARTTLS"
NTP_EPOCH = 2_208_988_800


@dataclass
class Scene:
    """A set-up and who runs beside it. live: what the running relay goes by, where that is not the file."""

    setup: Setup
    live: Callable[[Settings], Settings] = lambda settings: settings
    is_running: bool = True
    greeting: str | None = None
    ehlo: str = EHLO
    after: list[Callable[[Setup], None]] = field(default_factory=list)

    async def examined(self) -> Report:
        setup = self.setup
        async with setup.dns.listening(), contextlib.AsyncExitStack() as stack:
            setup.add(f'[dns]\nservers = ["{setup.dns.address}"]\ntimeout_seconds = 5\n')
            if self.is_running:
                port = await stack.enter_async_context(self._relay(setup.settings()))
                setup.change('address = "127.0.0.1:0"', f'address = "127.0.0.1:{port}"')
            if self.greeting is not None:
                port = await stack.enter_async_context(answering(self.greeting, self.ehlo))
                setup.change("[doctor]", f'[doctor]\nprobe_host = "127.0.0.1:{port}"')
            for spoil in self.after:
                spoil(setup)
            return await examine(setup.patient(), NOW.timestamp(), means=setup.means)

    @contextlib.asynccontextmanager
    async def _relay(self, settings: Settings) -> AsyncIterator[int]:
        live = self.live(settings)
        listener = Listener(live.listeners[0], spool=MemorySpool(), get_settings=lambda: live)
        await listener.start()
        try:
            yield listener.port
        finally:
            listener.close()

    def report(self) -> Report:
        return asyncio.run(self.examined())


@contextlib.asynccontextmanager
async def answering(greeting: str, ehlo: str = EHLO) -> AsyncIterator[int]:
    """A server that greets, answers EHLO, and refuses everything else. An empty greeting: it closes at once."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if greeting:
            writer.write(f"{greeting}\r\n".encode())
            while line := await reader.readline():
                answer = ehlo if line.upper().startswith(b"EHLO") else "454 4.7.0 TLS not available"
                writer.write(f"{answer}\r\n".encode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setup:
    setup = healthy(tmp_path, monkeypatch)
    setup.dns.zone = zone()
    setup.dns.authenticated = {"signed.test"}
    setup.add('[doctor]\npublic_addresses = ["203.0.113.7"]\ndkim_selectors = ["selector1"]\n')
    return setup


def with_loopback(settings: Settings) -> Settings:
    connector = settings.inbound_connectors[0].model_copy(update={"sender_ip_addresses": ("127.0.0.0/8",)})
    return settings.model_copy(update={"inbound_connectors": (connector,)})


def named_otherwise(settings: Settings) -> Settings:
    return settings.model_copy(update={"hostname": "other.contoso.test"})


def elsewhere(setup: Setup) -> None:
    """The second listener is where nobody listens."""
    setup.change('address = "127.0.0.1:0"', f'address = "{FREE_PORT}"')


PLANTED: list[tuple[str, dict[str, object]]] = [
    ("relay-not-running", {"is_running": False, "after": [elsewhere]}),
    ("listener-unreachable", {"after": [elsewhere]}),
    ("listener-not-ours", {"live": named_otherwise}),
    ("listener-certificate-stale", {"after": [lambda setup: setup.certificate("relay", days=(-1, 50))]}),
    ("listener-relays-against-the-settings", {"live": with_loopback}),
    (
        "listener-answers-otherwise",
        {"after": [lambda setup: setup.change('["10.1.0.0/16"]', '["10.1.0.0/16", "127.0.0.1"]')]},
    ),
    ("port-25-blocked", {"after": [lambda setup: setup.change("[doctor]", f'[doctor]\nprobe_host = "{FREE_PORT}"')]}),
    ("port-25-blocked", {"greeting": ""}),
    ("port-25-intercepted", {"greeting": "220 ****************"}),
    ("port-25-intercepted", {"greeting": GREETING, "ehlo": "250-mx.example.org\r\n250 XXXXXXXA"}),
    ("port-25-intercepted", {"greeting": "HTTP/1.1 400 Bad Request"}),
    ("port-25-turned-away", {"greeting": "554 5.7.1 Service unavailable; 203.0.113.7 is listed by a blocklist"}),
    ("public-address-changed", {"greeting": GREETING, "ehlo": EHLO.replace("203.0.113.7", "198.51.100.77")}),
    ("clock-wrong", {"greeting": f"{GREETING} ready at Mon, 1 Jan 2024 10:00:00 +0000"}),
]


def test_a_healthy_set_up_that_runs_has_nothing(setup: Setup) -> None:
    assert findings(Scene(setup, greeting=GREETING).report()) == []


@pytest.mark.parametrize(("code", "how"), PLANTED, ids=[code for code, _ in PLANTED])
def test_a_planted_fault_is_found_and_no_other_of_its_severity(setup: Setup, code: str, how: dict[str, object]) -> None:
    assert set(found(Scene(setup, **how).report(), SEVERITIES[code])) == {code}  # type: ignore[arg-type]


def test_our_address_is_learned_from_the_probe_host(setup: Setup) -> None:
    setup.change('public_addresses = ["203.0.113.7"]', "")
    setup.dns.zone.pop(("7.113.0.203.in-addr.arpa", "PTR"))
    assert "ptr-missing" in [finding.code for finding in findings(Scene(setup, greeting=GREETING).report())]


def test_without_a_public_address_that_is_said(setup: Setup) -> None:
    setup.change('public_addresses = ["203.0.113.7"]', "")
    report = Scene(setup, greeting=GREETING, ehlo="250-mx.example.org\r\n250 STARTTLS").report()
    assert set(found(report, SEVERITIES["public-address-unknown"])) <= {"public-address-unknown"}


def visited(setup: Setup, declared: str, *, is_probed: bool = False) -> tuple[ListenerFacts, SessionFacts | None]:
    """Visit a listener of these keys, and greet it as a probe host."""

    async def scene() -> tuple[ListenerFacts, SessionFacts | None]:
        setup.change('name = "relay"\naddress = "127.0.0.1:0"', f'name = "relay"\n{declared}')
        settings = setup.settings()
        listener = Listener(settings.listeners[0], spool=MemorySpool(), get_settings=lambda: settings)
        await listener.start()
        try:
            address = f"127.0.0.1:{listener.port}"
            at = settings.listeners[0].model_copy(update={"address": address})
            (seen, *_) = await listeners(settings.model_copy(update={"listeners": (at,)}))
            return seen, await probe(settings, address) if is_probed else None
        finally:
            listener.close()

    return asyncio.run(scene())


def test_a_visit_tells_greeting_starttls_certificate_and_the_answer_to_a_stranger(setup: Setup) -> None:
    seen, probed = visited(setup, 'address = "127.0.0.1:0"', is_probed=True)
    assert seen.peer == "127.0.0.1"
    assert seen.session.trouble is None
    assert seen.session.greeting.startswith(f"220 {HOSTNAME} ")
    assert seen.session.has_starttls
    assert seen.session.certificate_der == setup.facts().certificates[0].shown.leaf_der  # type: ignore[union-attr]
    assert (seen.session.relayed or "").startswith("550 5.7.64")
    assert probed is not None
    assert probed.relayed is None
    assert probed.certificate_der == seen.session.certificate_der


def test_where_we_may_speak_for_others_a_true_stranger_is_played(setup: Setup) -> None:
    seen, _ = visited(setup, 'address = "127.0.0.1:0"\nproxy_protocol_from = ["127.0.0.1"]')
    assert seen.peer == "198.51.100.77"
    assert (seen.session.relayed or "").startswith("550 5.7.64")


def test_implicit_tls_is_spoken_where_it_is_declared(setup: Setup) -> None:
    seen, _ = visited(setup, 'kind = "submission"\nimplicit_tls = true\naddress = "127.0.0.1:0"')
    assert seen.session.trouble is None
    assert seen.session.certificate_der is not None
    assert seen.session.relayed is None


class _TimeServer(asyncio.DatagramProtocol):
    """Answers with a time so many seconds ahead."""

    def __init__(self, ahead: float) -> None:
        self._ahead = ahead

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        stamp = int((time.time() + self._ahead + NTP_EPOCH) * 2**32)
        self._transport.sendto(struct.pack("!B39xQ", 0x24, stamp), address)


@pytest.mark.parametrize("ahead", [-500.0, 0.0, 90.0])
def test_a_time_server_tells_by_how_much_this_clock_is_ahead(ahead: float) -> None:
    async def scene() -> float | None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _TimeServer(-ahead), ("127.0.0.1", 0))
        try:
            return await clock.ahead_of(f"127.0.0.1:{transport.get_extra_info('sockname')[1]}")
        finally:
            transport.close()

    assert asyncio.run(scene()) == pytest.approx(ahead, abs=5)


def test_a_time_server_that_does_not_answer_is_said(setup: Setup) -> None:
    setup.change("[doctor]", f'[doctor]\ntime_server = "{FREE_PORT}"')
    report = setup.online_report()
    assert [each.not_checked for each in report.examined if each.check == "Clock"] == [
        (f"{FREE_PORT} does not answer",)
    ]
