"""Which next hop of a route comes first, and which is left alone for a while.

Rule 1: by priority; among equals at random by weight, those of weight 0 last. As with SRV records (RFC 2782).
Rule 2: a hop in trouble rests, twice as long after each further trouble. After the rest one attempt probes it (half
open); the others go on without it until that attempt is done.
Rule 3: where no hop of a route may be tried, all are: when to try at all is the queue's to say.

Health is of a host as one route uses it: another one may have other credentials.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from staffetta import metrics
from staffetta.delivery.trouble import HopTrouble
from staffetta.settings.outbound import hop_label
from staffetta.settings.roads import NextHop, Route
from staffetta.trace.next_hops import HopState

REST_FIRST_SECONDS = 10.0
REST_MAX_SECONDS = 300.0

_log = structlog.get_logger()


@dataclass(slots=True)
class _Health:
    """troubles: in a row. rests_until, since: seconds since 1970. is_probed: an attempt is finding out."""

    troubles: int = 0
    rests_until: float = 0.0
    since: float = 0.0
    said: str = ""
    is_probed: bool = False

    def may_be_tried(self, now: float) -> bool:
        return not self.troubles or (now >= self.rests_until and not self.is_probed)


class NextHops:
    """See the head of this file. Belongs to one event loop.

    tell: gets the state of all hops after each change of one. is_shown: whether metrics tell of them.
    now: seconds since 1970. draw: 0 to 1.
    """

    def __init__(
        self,
        tell: Callable[[Sequence[HopState]], None] = lambda states: None,
        *,
        is_shown: bool = True,
        now: Callable[[], float] = time.time,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._tell = tell
        self._is_shown = is_shown
        self._now = now
        self._draw = draw
        self._health: dict[tuple[str, str], _Health] = {}

    def in_turn(self, route: Route) -> Iterator[NextHop]:
        """Yield the hops to try, one after the other; whoever takes one says well() or unwell() before the next."""
        ordered = self.ordered(route.next_hops)
        is_any_tried = False
        for hop in ordered:
            health = self._of(route, hop)
            if health.may_be_tried(self._now()):
                is_any_tried = True
                yield from self._lent(hop, health)
        if not is_any_tried:
            for hop in ordered:
                yield from self._lent(hop, self._of(route, hop))

    def ordered(self, hops: Sequence[NextHop]) -> list[NextHop]:
        """Return the hops in an order of this moment, whatever their health."""
        # The least of draw^(1/weight) first would be the same choice; this form keeps to whole weights of 0.
        return sorted(hops, key=lambda hop: (hop.priority, hop.weight == 0, -(self._draw() ** (1 / (hop.weight or 1)))))

    def well(self, route: Route, hop: NextHop) -> None:
        """The hop has been of use."""
        health = self._of(route, hop)
        if health.troubles:
            _log.info(
                "next hop is up", route=route.name, host=hop_label(hop), down_seconds=round(self._now() - health.since)
            )
            health.troubles, health.rests_until, health.since, health.said = 0, 0.0, self._now(), ""
            self._show((route.name, hop_label(hop)), 1)
            self._tell_all()

    def unwell(self, route: Route, hop: NextHop, trouble: HopTrouble) -> None:
        """The hop was of no use. Attempts that fail while it rests already count once."""
        health, now = self._of(route, hop), self._now()
        if health.troubles and now < health.rests_until:
            return
        if not health.troubles:
            health.since = now
            self._show((route.name, hop_label(hop)), 0)
            _log.warning("next hop is down", route=route.name, host=hop_label(hop), error=str(trouble))
        health.troubles += 1
        rest = min(REST_FIRST_SECONDS * 2 ** min(health.troubles - 1, 10), REST_MAX_SECONDS)
        health.rests_until = now + rest * (0.8 + 0.4 * self._draw())
        health.said = str(trouble)
        self._tell_all()

    def announce(self, routes: Mapping[str, Route]) -> None:
        """Show the hops of these routes, and forget all others. Called when there are new settings."""
        there = {(route.name, hop_label(hop)) for route in routes.values() for hop in route.next_hops}
        for gone in self._health.keys() - there:
            del self._health[gone]
            with suppress(KeyError):  # nobody has shown it
                metrics.NEXT_HOP_UP.remove(*gone)
        for key in there - self._health.keys():
            self._add(key)
        self._tell_all()

    def states(self) -> Sequence[HopState]:
        """Return what is known of every hop."""
        return [
            HopState(route, host, health.troubles, health.since, health.rests_until, health.said)
            for (route, host), health in sorted(self._health.items())
        ]

    def _lent(self, hop: NextHop, health: _Health) -> Iterator[NextHop]:
        is_probe = bool(health.troubles) and not health.is_probed
        health.is_probed |= is_probe
        try:
            yield hop
        finally:
            if is_probe:
                health.is_probed = False

    def _of(self, route: Route, hop: NextHop) -> _Health:
        key = (route.name, hop_label(hop))
        return self._health.get(key) or self._add(key)

    def _add(self, key: tuple[str, str]) -> _Health:
        health = self._health[key] = _Health(since=self._now())
        self._show(key, 1)
        return health

    def _show(self, key: tuple[str, str], value: int) -> None:
        if self._is_shown:
            metrics.NEXT_HOP_UP.labels(*key).set(value)

    def _tell_all(self) -> None:
        self._tell(self.states())
