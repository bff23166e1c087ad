"""Who goes next to a destination: one line per connector, so that one connector's burst does not delay another's page.

Rule 1: deficit round robin by octets: a claim takes a turn for each 64 KiB of content begun, sixteen at most, and goes
first and pays afterwards. So small messages of two connectors alternate, however many each has.
Rule 2: within a line the oldest goes first.
Rule 3: a line that is held takes no turn until it is let go.
Rule 4: a line is known as long as it has something here or on disk; what it owes is forgotten with it.
"""

from collections import deque
from collections.abc import Callable, Iterator

from staffetta.spool.spool import Claim

_TURN_OCTETS = 65_536
_TURNS_MAX = 16  # where a route goes by messages a minute, a large one must not wait for hundreds of others


class Line:
    """Claims of one connector that wait, oldest first. octets: what they cost in memory.

    owes: how many turns it lets pass before its next. has_backlog: the spool has more for it than was taken.
    is_unswept: some of that may have waited too long, as far as is known since the destination's last trouble.
    is_held: it waits for its connector's rate; is_far: for so long that it waits on disk alone.
    """

    __slots__ = ("claims", "connector", "has_backlog", "is_far", "is_held", "is_unswept", "octets", "owes")

    def __init__(self, connector: str | None) -> None:
        self.connector = connector
        self.claims: deque[Claim] = deque()
        self.octets = 0
        self.owes = 0
        self.has_backlog = False
        self.is_unswept = True
        self.is_held = False
        self.is_far = False

    def __len__(self) -> int:
        return len(self.claims)


class Lines:
    """All lines of one destination. octets: what their claims cost in memory."""

    __slots__ = ("_count", "_held", "_lines", "_turns", "octets")

    def __init__(self) -> None:
        self._lines: dict[str | None, Line] = {}
        self._turns: deque[Line] = deque()  # those with claims; the next to go in front
        self._count = 0
        self._held = 0
        self.octets = 0

    def __len__(self) -> int:
        """How many claims wait."""
        return self._count

    def __iter__(self) -> Iterator[Line]:
        """The lines that are known."""
        return iter(list(self._lines.values()))

    @property
    def lines(self) -> int:
        """How many lines are known."""
        return len(self._lines)

    @property
    def has_backlog(self) -> bool:
        """Whether the spool has more for any of them than was taken."""
        return any(line.has_backlog for line in self._lines.values())

    @property
    def ready(self) -> int:
        """How many claims wait in lines that are not held."""
        return self._count - self._held

    @property
    def is_any_held(self) -> bool:
        """Whether a line is held."""
        return any(line.is_held for line in self._lines.values())

    def known(self, connector: str | None) -> Line | None:
        """Return the connector's line, if there is one."""
        return self._lines.get(connector)

    def line(self, connector: str | None) -> Line:
        """Return what is known of a connector's line."""
        found = self._lines.get(connector)
        if found is None:
            found = self._lines[connector] = Line(connector)
        return found

    def forget_if_idle(self, line: Line) -> None:
        """A connector that has nothing here or on disk takes no share."""
        if not line.claims and not line.has_backlog:
            self._lines.pop(line.connector, None)

    @property
    def next(self) -> Line:
        """The line whose oldest claim goes next; it stays so until that is taken. One must be ready."""
        while self._turns[0].owes:
            self._turns[0].owes -= 1
            self._turns.rotate(-1)
        return self._turns[0]

    def append(self, claim: Claim) -> None:
        """Put the claim at the end of its line."""
        line = self.line(claim.connector)
        if not line.claims and not line.is_held:
            self._turns.append(line)
        line.claims.append(claim)
        self._add(line, 1, claim.octets_in_memory)

    def popleft(self) -> Claim:
        """Take the one that goes next."""
        line = self.next
        self._turns.popleft()
        claim = line.claims.popleft()
        self._add(line, -1, -claim.octets_in_memory)
        line.owes = min(claim.content.size // _TURN_OCTETS, _TURNS_MAX - 1)
        if line.claims:
            self._turns.append(line)
        else:
            self.forget_if_idle(line)
        return claim

    def hold(self, line: Line) -> None:
        """Have a line take no turn."""
        if not line.is_held:
            line.is_held = True
            self._held += len(line)
            if line.claims:
                self._turns.remove(line)

    def let_go(self, line: Line) -> None:
        """Have a line that was held take turns again."""
        if line.is_held:
            line.is_held = line.is_far = False
            self._held -= len(line)
            if line.claims:
                self._turns.append(line)

    def longest(self, *, by_octets: bool) -> Line:
        """Return the line with most claims, or octets of them. Something must wait."""
        return max(self._lines.values(), key=lambda line: line.octets if by_octets else len(line))

    def pop_younger_half(self, line: Line) -> list[Claim]:
        """Take the younger half of a line, at least one if there is any. The spool has them from now on."""
        half = [line.claims.pop() for _ in range((len(line) + 1) // 2)]
        line.has_backlog |= bool(half)
        self._taken_out(line, half)
        return half

    def withdraw(self, is_wanted: Callable[[Claim], bool], *, only: Line | None = None) -> list[Claim]:
        """Take out those claims, and return them, each line's in order. only: of this line."""
        withdrawn: list[Claim] = []
        for line in self if only is None else (only,):
            if out := [claim for claim in line.claims if is_wanted(claim)]:
                line.claims = deque(claim for claim in line.claims if not is_wanted(claim))
                self._taken_out(line, out)
                withdrawn += out
        return withdrawn

    def empty(self, *, only: Line | None = None) -> list[Claim]:
        """Take out all. The spool has them from now on."""
        for line in self._lines.values() if only is None else (only,):
            line.has_backlog |= bool(line.claims)
        return self.withdraw(lambda claim: True, only=only)

    def _taken_out(self, line: Line, claims: list[Claim]) -> None:
        self._add(line, -len(claims), -sum(claim.octets_in_memory for claim in claims))
        if claims and not line.claims:
            if not line.is_held:
                self._turns.remove(line)
            self.forget_if_idle(line)

    def _add(self, line: Line, claims: int, octets: int) -> None:
        self._count += claims
        self._held += claims if line.is_held else 0
        self.octets += octets
        line.octets += octets
