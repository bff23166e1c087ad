"""The orders of administrators while no relay runs: by who has the spool then, and with nothing tried."""

import time
from collections.abc import Callable

from staffetta.queue.bounce import RouteNotification
from staffetta.queue.gates import Gates
from staffetta.queue.orders import Orders
from staffetta.queue.room import Room
from staffetta.queue.settler import Settler
from staffetta.queue.shaper import Shaper
from staffetta.queue.supervision import Supervisor
from staffetta.queue.suspensions import Suspensions
from staffetta.settings.model import Settings
from staffetta.spool.spool import Spool


async def carry_out_orders(
    spool: Spool, settings: Settings, *, route_notification: RouteNotification, now: Callable[[], float] = time.time
) -> None:
    """Carry out every order that stands in the spool. What fails stays, and the log says why."""
    supervisor = Supervisor()
    orders = Orders(
        spool,
        room=Room(spool, lambda: settings, on_free=lambda: None),
        settler=Settler(
            spool,
            lambda: settings,
            route_notification=route_notification,
            supervisor=supervisor,
            shaper=Shaper(lambda: settings),
            gates=Gates(lambda: settings, now=now, on_turn=lambda place, connector: False),
            now=now,
            on_over=lambda claim, due_at: None,
        ),
        suspensions=Suspensions(),
        supervisor=supervisor,
        now=now,
        on_done=lambda command, done: None,
    )
    orders.finish()
    await orders.run()
