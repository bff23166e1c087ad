"""The web side over TLS, and behind proxies."""

import asyncio
import http.client
import socket
import ssl
from pathlib import Path

import pytest
import trustme

from staffetta.admin.http import WebServer, console_tls
from staffetta.admin.paths import FIRST_ADMINISTRATOR
from staffetta.directory.administrators import administrators
from staffetta.directory.sign_ins import new_first_code
from staffetta.ports import bind
from staffetta.settings.model import Console
from staffetta.supervisor import HandedDown
from tests.unit.admin.serving import FakeStatus, Office, Web, office_with_tokens, serving


def _issue(authority: trustme.CA, folder: Path) -> Console:
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
    return Console(certificate=folder / "certificate.pem", private_key=folder / "key.pem")


def _serial(web: Web, authority: trustme.CA) -> tuple[int, int]:
    """Status of a page over TLS, and the certificate's serial number."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    connection = http.client.HTTPSConnection(web.address, timeout=10, context=context)
    try:
        connection.request("GET", "/readyz")
        found = connection.sock.getpeercert()
        return connection.getresponse().status, int(str(found["serialNumber"]), 16)
    finally:
        connection.close()


def test_the_console_speaks_tls_and_takes_a_renewed_certificate_without_a_restart(tmp_path: Path) -> None:
    authority = trustme.CA()
    declared = _issue(authority, tmp_path)
    with serving(tmp_path / "data", declared=declared) as web:
        status, serial = _serial(web, authority)
        assert status == 200
        assert web.servers[0].address.startswith("https://")
        _issue(authority, tmp_path)
        assert web.servers[0].renew(only_changed=True)
        assert _serial(web, authority)[1] != serial
        assert not web.servers[0].renew(only_changed=True)


def test_a_certificate_whose_key_is_not_there_yet_leaves_the_console_as_it_was(tmp_path: Path) -> None:
    authority = trustme.CA()
    declared = _issue(authority, tmp_path)
    with serving(tmp_path / "data", declared=declared) as web:
        before = _serial(web, authority)
        authority.issue_cert("127.0.0.1").cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
        with pytest.raises(ssl.SSLError):
            web.servers[0].renew(only_changed=True)
        assert _serial(web, authority) == before


def test_a_certificate_that_cannot_be_read_is_told_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("no certificate")
    with pytest.raises((OSError, ValueError)):
        console_tls(Console(certificate=tmp_path / "x.pem", private_key=tmp_path / "x.pem"))


@pytest.mark.parametrize(
    ("proxies", "forwarded", "is_private"),
    [
        (("127.0.0.1",), {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http"}, False),
        (("127.0.0.0/8",), {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}, True),
        (("192.0.2.1",), {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http"}, True),
        ((), {"X-Forwarded-For": "203.0.113.9"}, True),
    ],
)
def test_a_proxy_s_word_counts_where_the_settings_name_it(
    tmp_path: Path, proxies: tuple[str, ...], forwarded: dict[str, str], is_private: bool
) -> None:
    with serving(tmp_path, declared=Console(proxies=proxies)) as web:
        answer = web("GET", "/first-administrator", token=None, headers={"Accept": "text/html", **forwarded})
        assert ('type="password"' in answer.text) == is_private
        body = {"Code": new_first_code(web.office.directory), "Name": "ada"}
        answer = web("POST", FIRST_ADMINISTRATOR, body, token=None, headers=forwarded)
        assert answer.status == (201 if is_private else 403)
        assert len(administrators(web.office.directory)) == is_private


def test_who_connects_as_soon_as_the_console_is_started_is_answered(tmp_path: Path) -> None:
    async def live() -> bytes:
        listening = bind("127.0.0.1:0", HandedDown({}))
        server = WebServer(FakeStatus(), office_with_tokens(office), listening, Console())
        server.start()
        client = socket.create_connection(listening.getsockname(), timeout=10)  # the server has had no turn yet
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: relay\r\n\r\n")
        try:
            return await asyncio.to_thread(client.recv, 100)
        finally:
            client.close()
            await server.stop()

    with Office(tmp_path) as office:
        assert asyncio.run(live()).startswith(b"HTTP/1.1 200")
