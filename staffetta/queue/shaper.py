"""Holds mail to what its route may carry: asks shaping.py, counts what went, and remembers it over a restart.

Rule 1: what goes is counted when it goes, and given back where the next hop did not take it.
Rule 2: what has changed is handed over with the next outcomes; a crash forgets what no outcome was written after.
Rule 3: a wait has words for the administrator, and a time at which it is worth asking again.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from staffetta.mail.outcome import Deferred, Delivered, Outcome, Unknown
from staffetta.queue.book import Book
from staffetta.queue.crowding import Crowding, crowded
from staffetta.queue.shaping import DayCount, Rate, tenant_external_limit
from staffetta.settings.model import Settings
from staffetta.settings.outbound import all_routes
from staffetta.settings.roads import Route
from staffetta.spool.marks import CrowdingMark, HourMark, Mark, PaceMark, Scope
from staffetta.spool.spool import Claim, QueuedRecipient

_PACES_MAX = 10_000  # destinations whose bucket is in memory; those that have refilled are forgotten


@dataclass(frozen=True, slots=True)
class Wait:
    """until: seconds since 1970. reason: in words. limits: those that were met."""

    until: float
    reason: str
    limits: "Limits"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a route may carry; None: as much as it can. name: of the route, where it goes by a connector's too."""

    name: str = ""
    concurrency: int = 1
    rate: Rate | None = None
    recipients: int | None = None
    external: int | None = None

    @property
    def is_shaped(self) -> bool:
        """Whether there is anything to count."""
        return self.rate is not None or self.recipients is not None or self.external is not None

    @classmethod
    def of(cls, route: Route) -> "Limits":
        """The limits that a route has."""
        return cls(
            name=route.name,
            concurrency=route.concurrency,
            rate=None if route.messages_per_minute is None else Rate(route.messages_per_minute),
            recipients=route.recipients_per_day,
            external=None if route.licenses is None else tenant_external_limit(route.licenses),
        )


_NO_LIMITS = Limits()


class Shaper:
    """See the head of this file. book: where several queues count together."""

    def __init__(self, get_settings: Callable[[], Settings], book: Book | None = None) -> None:
        self._get_settings = get_settings
        self._book = book
        self._settings: Settings | None = None
        self._limits: dict[str, Limits] = {}
        self._our_domains: dict[str, bool] = {}  # whether those below it are ours too
        self._paces: dict[tuple[str, str], float] = {}
        self._counts: dict[tuple[str, Scope], DayCount] = {}
        self._crowdings: dict[tuple[str, str], Crowding] = {}
        self._changed_crowdings: set[tuple[str, str]] = set()
        self._changed_paces: set[tuple[str, str]] = set()
        self._changed_hours: set[tuple[str, Scope, int]] = set()

    def remember(self, marks: Iterable[Mark]) -> None:
        """Go on with what an earlier start has counted."""
        for mark in marks:
            if isinstance(mark, PaceMark):
                self._paces[mark.route, mark.destination] = mark.expected_at
            elif isinstance(mark, CrowdingMark):
                self._crowdings[mark.route, mark.destination] = Crowding(mark.lanes, mark.quiet_until, mark.reply)
            elif isinstance(mark, HourMark):
                self._count(mark.route, mark.scope).hours[mark.hour] = mark.recipients

    def limits(self, route: str) -> Limits:
        """What the route may carry by the settings of now."""
        settings = self._get_settings()
        if settings is not self._settings:
            self._settings = settings
            self._limits = {name: Limits.of(route) for name, route in all_routes(settings).items()}
            self._our_domains = {each.name: each.include_subdomains for each in settings.accepted_domains}
        return self._limits.get(route, _NO_LIMITS)

    def concurrency(self, route: str, destination: str, now: float) -> int:
        """How many attempts there may be at a time: what the route allows, less what the next hop was crowded by."""
        limits = self.limits(route)
        crowding = self._crowdings.get((limits.name, destination)) if self._crowdings else None
        if crowding is None:
            return limits.concurrency
        lanes = crowding.lanes_max(now)
        if lanes >= limits.concurrency:
            del self._crowdings[limits.name, destination]
        return min(lanes, limits.concurrency)

    def crowded(self, route: str, destination: str, lanes: int, refusal: Deferred, now: float) -> None:
        """The next hop had too many connections. lanes: in use when it said so, the refused one included."""
        place = (self.limits(route).name, destination)
        self._crowdings[place] = crowded(self._crowdings.get(place), lanes, refusal.diagnostic, now)
        self._changed_crowdings.add(place)

    def wait_for(self, claim: Claim, now: float) -> Wait | None:
        """Return what keeps all of the claim from going now, the longest wait if several do; None if nothing does."""
        limits = self.limits(claim.route)
        if not limits.is_shaped:
            return None
        self._learn_of_others(limits, claim.destination)
        waits: list[Wait] = []
        if limits.rate is not None:
            at = limits.rate.ready_at(self._expected((limits.name, claim.destination), limits.rate, now))
            waits.append(Wait(at, f"waits for the route's rate: {limits.rate.per_minute} a minute", limits))
        if (wait := self._day_wait(claim, limits, now)) is not None:
            waits.append(wait)
        longest = max(waits, key=lambda wait: wait.until, default=None)
        return longest if longest is not None and longest.until > now else None

    def _expected(self, place: tuple[str, str], rate: Rate, now: float) -> float:
        """When the next is expected; no later than by the rate and the clock of now it can be."""
        expected = self._paces.get(place, 0.0)
        if expected > rate.latest(now):  # kept, or it would go along with the clock and never be reached
            expected = self._paces[place] = rate.latest(now)
            if self._book:
                self._book.expect(*place, expected)
        return expected

    def fitting(self, claim: Claim, now: float) -> tuple[QueuedRecipient, ...]:
        """Return those of its recipients for which there is still room in the day, in order."""
        limits = self.limits(claim.route)
        rooms = [(scope, limit - self._count(limits.name, scope).used(now)) for scope, limit, _ in day_limits(limits)]
        if all(room >= len(claim.recipients) for _, room in rooms):
            return claim.recipients
        left = dict(rooms)
        fitting: list[QueuedRecipient] = []
        for recipient in claim.recipients:
            scopes = [scope for scope in left if self._is_counted(recipient, scope)]
            if all(left[scope] > 0 for scope in scopes):
                fitting.append(recipient)
                for scope in scopes:
                    left[scope] -= 1
        return tuple(fitting)

    def count(self, claim: Claim, now: float) -> None:
        """The claim goes now."""
        limits = self.limits(claim.route)
        if limits.rate is not None:
            place = (limits.name, claim.destination)
            if len(self._paces) >= _PACES_MAX:
                self._paces = {each: at for each, at in self._paces.items() if at > now}
            self._paces[place] = limits.rate.after(self._paces.get(place, 0.0), now)
            if self._book:
                self._book.expect(*place, self._paces[place])
            self._changed_paces.add(place)
        for scope, _, _ in day_limits(limits):
            self._add(limits.name, scope, self._recipients(claim, scope), now)

    def give_back(self, claim: Claim, outcomes: Sequence[Outcome], now: float) -> None:
        """Count no longer those whom the next hop did not take. outcomes: one per recipient; none: nobody was."""
        limits = self.limits(claim.route)
        if not limits.is_shaped:
            return
        are_taken = [isinstance(outcome, Delivered | Unknown) for outcome in outcomes] or [False] * len(
            claim.recipients
        )
        for scope, _, _ in day_limits(limits):
            self._add(limits.name, scope, -self._recipients(claim, scope, are_taken), now)

    def take_changed(self) -> list[Mark]:
        """Return what has changed since the last time."""
        paces = [PaceMark(*place, self._paces[place]) for place in self._changed_paces if place in self._paces]
        hours = [
            HourMark(route, scope, hour, self._count(route, scope).hours.get(hour, 0))
            for route, scope, hour in self._changed_hours
        ]
        crowdings = [
            CrowdingMark(*place, crowding.lanes, crowding.quiet_until, crowding.reply)
            for place in self._changed_crowdings
            if (crowding := self._crowdings.get(place)) is not None
        ]
        self._changed_crowdings.clear()
        self._changed_paces.clear()
        self._changed_hours.clear()
        return [*paces, *hours, *crowdings]

    def _add(self, route: str, scope: Scope, recipients: int, now: float) -> None:
        if recipients:
            count = self._count(route, scope)
            hour = count.add(recipients, now)
            self._changed_hours.add((route, scope, hour))
            if self._book:
                self._book.add(route, scope, hour, recipients)
                self._learn_hours(route, scope)

    def _learn_of_others(self, limits: Limits, destination: str) -> None:
        if self._book is None:
            return
        if limits.rate is not None and (at := self._book.expected(limits.name, destination)) is not None:
            self._paces[limits.name, destination] = at
        for scope, _, _ in day_limits(limits):
            self._learn_hours(limits.name, scope)

    def _learn_hours(self, route: str, scope: Scope) -> None:
        if self._book and (hours := self._book.hours(route, scope)):
            self._count(route, scope).hours = hours

    def _count(self, route: str, scope: Scope) -> DayCount:
        found = self._counts.get((route, scope))
        if found is None:
            found = self._counts[route, scope] = DayCount()
        return found

    def _day_wait(self, claim: Claim, limits: Limits, now: float) -> Wait | None:
        """Until there is room for the first of its recipients; None where one of them is not counted."""
        of_each: list[Wait] = []
        for recipient in {self._is_ours(each.recipient.mailbox.domain): each for each in claim.recipients}.values():
            waits = [
                Wait(
                    self._count(limits.name, scope).ready_at(limit, now),
                    f"waits for the route's {words}: {limit:,} in 24 hours",
                    limits,
                )
                for scope, limit, words in day_limits(limits)
                if self._is_counted(recipient, scope)
            ]
            if not waits:
                return None
            of_each.append(max(waits, key=lambda wait: wait.until))
        return min(of_each, key=lambda wait: wait.until)

    def _recipients(self, claim: Claim, scope: Scope, without: Sequence[bool] = ()) -> int:
        """How many of the claim are counted in that scope. without: recipients to leave out, by place."""
        return sum(
            self._is_counted(recipient, scope)
            for place, recipient in enumerate(claim.recipients)
            if not (without and without[place])
        )

    def _is_counted(self, recipient: QueuedRecipient, scope: Scope) -> bool:
        return scope is Scope.ALL or not self._is_ours(recipient.recipient.mailbox.domain)

    def _is_ours(self, domain: str) -> bool:
        if domain in self._our_domains:
            return True
        while domain:
            domain = domain.partition(".")[2]
            if self._our_domains.get(domain):
                return True
        return False


def day_limits(limits: Limits) -> Iterable[tuple[Scope, int, str]]:
    """Yield what is counted over 24 hours, how many it may be, and in words."""
    if limits.recipients is not None:
        yield Scope.ALL, limits.recipients, "recipients"
    if limits.external is not None:
        yield Scope.EXTERNAL, limits.external, "external recipients"
