"""Who can connect to the web side takes no descriptors from the mail."""

import socket
from pathlib import Path

import pytest

from staffetta.admin.connections import Bounds
from tests.unit.admin.serving import Web, serving

PATIENCE_SECONDS = 60
OK = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


def connected(web: Web) -> socket.socket:
    host, _, port = web.address.rpartition(":")
    return socket.create_connection((host, int(port)), PATIENCE_SECONDS)


def answer(connection: socket.socket, sent: bytes) -> bytes:
    """What comes back at first; nothing where it is closed."""
    try:
        connection.sendall(sent)
        return connection.recv(65_536)
    except (ConnectionResetError, BrokenPipeError):
        return b""


@pytest.mark.parametrize("bounds", [Bounds(connections_max=3), Bounds(per_address_max=3)])
def test_more_connections_than_there_may_be_are_closed_and_the_others_served(tmp_path: Path, bounds: Bounds) -> None:
    with serving(tmp_path, bounds=bounds) as web:
        open_ones = [connected(web) for _ in range(3)]
        assert all(b"200 OK" in answer(each, OK) for each in open_ones)
        with connected(web) as one_more:
            assert answer(one_more, OK) == b""
        for each in open_ones:
            each.close()


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHo", OK + b"GET /", b"\r\n"])
def test_a_head_that_does_not_come_is_not_waited_for(tmp_path: Path, sent: bytes) -> None:
    with serving(tmp_path, bounds=Bounds(head_seconds=0.2)) as web, connected(web) as slow:
        slow.sendall(sent)
        try:
            while slow.recv(65_536):
                pass
        except ConnectionResetError:
            pass
        assert web("GET", "/healthz").status == 200
