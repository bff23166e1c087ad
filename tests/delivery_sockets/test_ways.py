"""From which address of ours, and by which proxy, a next hop is reached."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import ip_address

import pytest

from staffetta.mail.outcome import Deferred, Delivered, Stage
from tests.delivery_sockets.carrying import Sender, run, settings_for
from tests.delivery_sockets.fake_hop import FakeHop


def send(hop: FakeHop, **keys):
    async def main():
        async with hop.listening():
            return (await Sender(settings_for(hop, **keys)).send_and_close())[0]

    return run(main())


def test_mail_leaves_from_the_address_of_ours_that_is_of_the_family():
    hop = FakeHop()
    assert isinstance(send(hop, source_addresses=("::1", "127.0.0.2")), Delivered)
    assert [writer.get_extra_info("peername")[0] for writer in hop.writers] == ["127.0.0.2"]


def test_an_address_of_another_family_than_ours_is_not_tried():
    hop = FakeHop()
    outcome = send(hop, source_addresses=("::1",))
    assert isinstance(outcome, Deferred) and hop.connections == 0
    assert "the route has no source address for IPv4" in outcome.diagnostic


def test_an_address_that_is_not_ours_is_told():
    outcome = send(FakeHop(), source_addresses=("192.0.2.77",))
    assert isinstance(outcome, Deferred) and outcome.stage is Stage.CONNECT
    assert "(from 192.0.2.77)" in outcome.diagnostic


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::ffff:127.0.0.1"])
def test_who_may_have_public_addresses_alone_reaches_nothing_inside_by_whatever_name(host):
    hop = FakeHop()
    outcome = send(hop, host=host, public_addresses_only=True)
    assert isinstance(outcome, Deferred) and hop.connections == 0
    assert (outcome.status, outcome.stage) == ("4.4.4", Stage.CONNECT)
    assert "has no public address, and the route allows no other: " in outcome.diagnostic


@dataclass
class SocksServer:
    """RFC 1928 with user and password (RFC 1929) on a real socket. It knows where mail.contoso.test is."""

    hop_port: int
    user: tuple[bytes, bytes] | None = None
    refusal: int = 0
    asked: list[tuple[str, int]] = field(default_factory=list)
    users: list[tuple[bytes, bytes]] = field(default_factory=list)
    port: int = 0

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator["SocksServer"]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        yield self
        server.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            await self.talk(reader, writer)
        writer.close()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, count = await reader.readexactly(2)
        await reader.readexactly(count)
        writer.write(b"\5\2" if self.user else b"\5\0")
        if self.user:
            name = await reader.readexactly((await reader.readexactly(2))[1])
            password = await reader.readexactly((await reader.readexactly(1))[0])
            self.users.append((name, password))
            writer.write(b"\1\0" if (name, password) == self.user else b"\1\1")
            if (name, password) != self.user:
                return
        kind = (await reader.readexactly(4))[3]
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            host = str(ip_address(await reader.readexactly(4 if kind == 1 else 16)))
        self.asked.append((host, int.from_bytes(await reader.readexactly(2))))
        writer.write(bytes((5, self.refusal, 0, 1, 127, 0, 0, 1, 0, 0)))
        if self.refusal:
            return
        away_reader, away_writer = await asyncio.open_connection("127.0.0.1", self.hop_port)
        await asyncio.gather(pump(reader, away_writer), pump(away_reader, writer))


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while octets := await reader.read(65536):
        writer.write(octets)
    writer.close()


def send_through(proxy_url: str, **how):
    """proxy_url: PORT stands for the server's. Returns the outcome, the hop and the proxy."""

    async def main():
        hop = FakeHop()
        async with hop.listening(), SocksServer(hop.port, **how).listening() as proxy:
            settings = settings_for(hop, host="mail.contoso.test", proxy=proxy_url.replace("PORT", str(proxy.port)))
            return (await Sender(settings).send_and_close())[0], hop, proxy

    return run(main())


def test_a_proxy_is_asked_for_the_name():
    outcome, hop, proxy = send_through("socks5://127.0.0.1:PORT")
    assert isinstance(outcome, Delivered)
    assert proxy.asked == [("mail.contoso.test", hop.port)]


def test_a_proxy_s_user_and_password_are_by_reference(monkeypatch):
    monkeypatch.setenv("PROXY_USER", "relay")
    monkeypatch.setenv("PROXY_PASSWORD", "p@ss:w/rd")  # signs that an address could not hold
    url = "socks5://${PROXY_USER}:${PROXY_PASSWORD}@127.0.0.1:PORT"
    outcome, _, proxy = send_through(url, user=(b"relay", b"p@ss:w/rd"))
    assert isinstance(outcome, Delivered), outcome
    assert proxy.users == [(b"relay", b"p@ss:w/rd")]


@pytest.mark.parametrize("refusal", [{"refusal": 2}, {"user": (b"relay", b"another")}])
def test_a_proxy_that_refuses_defers_and_no_secret_is_told(monkeypatch, refusal):
    monkeypatch.setenv("PROXY_USER", "relay")
    monkeypatch.setenv("PROXY_PASSWORD", "hidden")
    outcome, hop, _ = send_through("socks5://${PROXY_USER}:${PROXY_PASSWORD}@127.0.0.1:PORT", **refusal)
    assert isinstance(outcome, Deferred) and outcome.is_destination_trouble and hop.connections == 0
    assert (outcome.status, outcome.stage) == ("4.4.1", Stage.CONNECT)
    assert "by the proxy 127.0.0.1:" in outcome.diagnostic and "hidden" not in outcome.diagnostic


def test_a_variable_that_is_not_set_is_named(monkeypatch):
    monkeypatch.delenv("PROXY_USER", raising=False)
    outcome, _, _ = send_through("socks5://${PROXY_USER}:x@127.0.0.1:PORT")
    assert "the variable PROXY_USER is not set" in outcome.diagnostic


def test_a_proxy_that_is_not_there_defers():
    outcome, _, _ = send_through("socks5://127.0.0.1:9")
    assert isinstance(outcome, Deferred) and outcome.status == "4.4.1"
