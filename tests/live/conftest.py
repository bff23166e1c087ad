"""Fixtures of the live tests, and what a missing peer means."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.relay import Relay, open_folder, server_tls
from tests.live.sink import EVERYTHING, Sink


def need(reason: str | None) -> None:
    """Skip with the reason why a peer is missing; where STAFFETTA_REQUIRE_PEERS=1 says that none may be, fail."""
    if reason is None:
        return
    if os.environ.get("STAFFETTA_REQUIRE_PEERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    folder = open_folder()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def sink(folder: Path) -> Iterator[Sink]:
    """A next hop that can everything."""
    (folder / "sink").mkdir()
    with Sink(*EVERYTHING, tls=server_tls(folder / "sink")) as sink:
        yield sink


@pytest.fixture(scope="module")
def running(folder: Path, sink: Sink) -> Iterator[Relay]:
    """One relay for a module's tests, in front of `sink`."""
    with Relay(folder, sink.port) as running:
        yield running
