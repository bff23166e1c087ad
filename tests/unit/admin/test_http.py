import asyncio
import socket
import urllib.error
import urllib.request
from collections.abc import Sequence

from staffetta.admin.http import WebServer


class FakeStatus:
    def __init__(self, *obstacles: str) -> None:
        self._obstacles = obstacles
        self.refreshed = 0

    def obstacles(self) -> Sequence[str]:
        return self._obstacles

    async def refresh_metrics(self) -> None:
        self.refreshed += 1

    def facts(self) -> Sequence[tuple[str, str]]:
        return [("Relay <relay>", "127.0.0.1:2525")]


def fetch(status: FakeStatus, path: str) -> tuple[int, str]:
    """Return status code and body of one GET to a server that lives for this request only."""

    def get(address: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    async def conversation() -> tuple[int, str]:
        server = WebServer(status, socket.create_server(("127.0.0.1", 0)))
        server.start()
        try:
            return await asyncio.to_thread(get, server.address)
        finally:
            await server.stop()

    return asyncio.run(conversation())


def test_healthz_says_that_the_process_lives_even_when_it_is_not_ready() -> None:
    assert fetch(FakeStatus("draining"), "/healthz") == (200, "ok\n")


def test_readyz_is_ok_without_obstacles() -> None:
    assert fetch(FakeStatus(), "/readyz") == (200, "ok\n")


def test_readyz_names_each_obstacle() -> None:
    assert fetch(FakeStatus("draining", "disk full"), "/readyz") == (503, "draining\ndisk full\n")


def test_metrics_are_refreshed_before_they_are_told() -> None:
    status = FakeStatus()
    code, body = fetch(status, "/metrics")
    assert code == 200
    assert "# HELP" in body
    assert status.refreshed == 1


def test_home_page_tells_what_runs_where_and_escapes_it() -> None:
    code, body = fetch(FakeStatus("<draining>"), "/")
    assert code == 200
    assert "Relay &lt;relay&gt;" in body
    assert "Not ready: &lt;draining&gt;" in body
