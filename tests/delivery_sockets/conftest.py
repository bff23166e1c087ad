"""Every test here runs on both event loops: they differ in when they write, and in how they tell of a loss."""

import asyncio

import pytest
import uvloop

from tests.delivery_sockets import carrying


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"], autouse=True)
def event_loop_kind(request, monkeypatch):
    monkeypatch.setattr(carrying, "new_event_loop", request.param)
