"""What is not tried until an administrator resumes it: a destination of a route, or all of a route.

Rule 1: mail goes on being accepted for it, and waits on disk; behind it nothing waits in memory.
Rule 2: nothing expires and no delay is told while nobody could have tried it (docs/decisions/075-suspended-queues.md).
Rule 3: what counts here is on disk, so that a restart forgets nothing.
"""

from collections.abc import Iterable

from staffetta.spool.spool import CommandVerb, QueueCommand, Suspension


class Suspensions:
    """See the head of this file."""

    def __init__(self) -> None:
        self._places: set[tuple[str, str]] = set()

    def remember(self, found: Iterable[Suspension]) -> None:
        """Go on with what an earlier start has suspended."""
        self._places = {(each.route, each.destination) for each in found}

    def learn(self, command: QueueCommand) -> None:
        """Take what a command, now durable, has suspended or resumed."""
        assert command.route is not None
        place = (command.route, command.destination or "")
        if command.verb is CommandVerb.SUSPEND:
            self._places.add(place)
        else:
            self._places.discard(place)

    def hold(self, route: str, destination: str) -> bool:
        """Whether the destination is not to be tried."""
        return bool(self._places) and ((route, "") in self._places or (route, destination) in self._places)
