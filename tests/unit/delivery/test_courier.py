"""Couriers: the route says how a consignment travels."""

import asyncio

from staffetta.mail.outcome import Delivered, Stage
from staffetta.settings.roads import Transport
from tests.delivery_sockets.carrying import Sender, consignment, settings_for


def test_a_maildir_route_puts_the_message_into_the_mailbox(tmp_path):
    sender = Sender(settings_for(transport=Transport.MAILDIR, path=tmp_path))
    (outcome,) = asyncio.run(sender.send_and_close(consignment("bob@contoso.test")))
    assert isinstance(outcome, Delivered)
    assert sender.announced == ["relay.example"]
    assert len(list((tmp_path / "contoso.test" / "bob" / "new").iterdir())) == 1


def test_a_maildir_route_without_a_path_defers():
    (outcome,) = asyncio.run(Sender(settings_for(transport=Transport.MAILDIR)).send_and_close())
    assert (outcome.status, outcome.stage, outcome.is_destination_trouble) == ("4.3.5", Stage.ROUTE, True)


def test_a_route_without_next_hops_defers():
    first, second = asyncio.run(Sender(settings_for()).send_and_close(consignment("a@b.test", "c@d.test")))
    assert first == second
    assert (first.status, first.stage) == ("4.3.5", Stage.ROUTE)


def test_a_name_that_cannot_be_looked_up_defers():
    settings = settings_for(1)
    hop = settings.routes[0].next_hops[0].model_copy(update={"host": "x" * 70 + ".invalid"})
    route = settings.routes[0].model_copy(update={"next_hops": (hop,)})
    sender = Sender(settings.model_copy(update={"routes": (route,)}))
    (outcome,) = asyncio.run(sender.send_and_close())
    assert (outcome.status, outcome.stage, outcome.is_destination_trouble) == ("4.4.3", Stage.CONNECT, True)
