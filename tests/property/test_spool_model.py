"""The spool against a dictionary: whatever is done in whatever order, with restarts between, both agree."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from staffetta.mail.address import parse_mailbox
from staffetta.mail.content import MemoryContent
from staffetta.mail.envelope import Envelope, Recipient
from staffetta.mail.outcome import Stage, Unknown
from staffetta.spool.commands import Order, leave_commands
from staffetta.spool.spool import (
    CarriedOut,
    Claim,
    CommandVerb,
    NewMessage,
    RecipientState,
    RoutedRecipient,
    Settlement,
)
from staffetta.spool.sqlite import SqliteSpool

START = 1_800_000_000.0
RETRY_SECONDS = 300.0
DESTINATIONS = ("a.test", "b.test", "held.test")
CLOSED = (RecipientState.DELIVERED, RecipientState.FAILED, RecipientState.DELETED)
NOT_FOR_OPEN_ONES = (CommandVerb.RETURN, CommandVerb.REOPEN)  # the queue's to do; see reopen()
LOST_REPLY = Unknown(status="4.4.2", diagnostic="", stage=Stage.FINAL_DOT)
Key = tuple[int, int]


class SpoolMachine(RuleBasedStateMachine):
    """The model: (state, due time) of every recipient, by message and place; which are claimed, and which a next hop
    may have."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.now = START
        self.states: dict[Key, tuple[RecipientState, float | None]] = {}
        self.destinations: dict[Key, str] = {}
        self.is_once: dict[int, bool] = {}
        self.claims: list[Claim] = []
        self.attempted: set[Key] = set()
        self.doubtful: set[Key] = set()
        self.takes_offers = False
        self.open()

    def open(self) -> None:
        self.spool = self.runner.run(
            SqliteSpool.open(
                Path(self.folder.name), free_octets_min=0, clock=lambda: self.now, unknown_retry_seconds=RETRY_SECONDS
            )
        )
        self.spool.subscribe(self.take_offer)

    def take_offer(self, claim: Claim) -> bool:
        if self.takes_offers:
            self.claims.append(claim)
        return self.takes_offers

    def claimed(self) -> set[Key]:
        return {(claim.number, queued.number) for claim in self.claims for queued in claim.recipients}

    @rule(
        places=st.lists(st.sampled_from(DESTINATIONS), min_size=1, max_size=4), once=st.booleans(), take=st.booleans()
    )
    def commit(self, places: list[str], once: bool, take: bool) -> None:
        number = self.spool.next_number()
        recipients = tuple(Recipient(parse_mailbox(f"r{at}@{place}")) for at, place in enumerate(places))
        for at, place in enumerate(places):
            is_held = place == "held.test"
            self.states[number, at] = (RecipientState.HELD, None) if is_held else (RecipientState.READY, self.now)
            self.destinations[number, at] = place
        self.is_once[number] = once
        self.takes_offers = take
        self.runner.run(
            self.spool.commit(
                NewMessage(
                    number=number,
                    message_id=None,
                    subject=None,
                    envelope=Envelope(None, recipients),
                    recipients=tuple(
                        RoutedRecipient(recipient, "out", place, place == "held.test")
                        for recipient, place in zip(recipients, places, strict=True)
                    ),
                    content=MemoryContent(number.to_bytes(8, "big")),
                    has_eight_bit=False,
                    received_at=self.now,
                    session_id="S",
                    peer_address="192.0.2.1",
                    helo=None,
                    connector=None,
                    is_once=once,
                )
            )
        )

    @rule(place=st.sampled_from(DESTINATIONS), limit=st.integers(1, 3))
    def claim(self, place: str, limit: int) -> None:
        claims = self.runner.run(self.spool.claim("out", place, None, self.now, limit))
        due = {
            key
            for key, (_, due_at) in self.states.items()
            if due_at is not None and due_at <= self.now and self.destinations[key] == place
        } - self.claimed()
        taken = {(claim.number, queued.number) for claim in claims for queued in claim.recipients}
        assert taken <= due
        assert len(claims) == min(limit, len({number for number, _ in due}))
        for claim in claims:
            assert claim.content.whole == claim.number.to_bytes(8, "big")
            for queued in claim.recipients:
                assert queued.state == self.states[claim.number, queued.number][0]
        self.claims += claims

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        places = [queued.number for queued in claim.recipients]
        self.runner.run(self.spool.begin_attempt(claim, places, {"host": "mx"}, self.now))
        self.attempted.update((claim.number, place) for place in places)

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), state=st.sampled_from([*CLOSED, RecipientState.DEFERRED, RecipientState.UNKNOWN]))
    def settle(self, data: st.DataObject, state: RecipientState) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        self.claims.remove(claim)
        due_at = None if state in CLOSED else self.now + 60
        keys = [(claim.number, queued.number) for queued in claim.recipients]
        outcome = LOST_REPLY if state is RecipientState.UNKNOWN else None
        self.runner.run(self.spool.settle([Settlement(*key, state, due_at, outcome) for key in keys]))
        for key in keys:
            self.states[key] = (state, due_at)
            self.attempted.discard(key)
            if state is RecipientState.UNKNOWN:
                self.doubtful.add(key)

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        self.claims.remove(claim)
        self.spool.release(claim)
        self.cut_short({(claim.number, queued.number) for queued in claim.recipients} & self.attempted)
        self.runner.run(self.spool.settle([]))  # after it in the line: what release() wrote is durable

    def cut_short(self, keys: set[Key]) -> None:
        for key in keys:
            once = self.is_once[key[0]]
            self.states[key] = (
                (RecipientState.HELD, None) if once else (RecipientState.UNKNOWN, self.now + RETRY_SECONDS)
            )
        self.attempted -= keys
        self.doubtful |= keys

    @rule(
        verb=st.sampled_from([verb for verb in CommandVerb if verb not in NOT_FOR_OPEN_ONES]),
        place=st.sampled_from(DESTINATIONS),
        includes_unknown=st.booleans(),
        data=st.data(),
    )
    def command(self, verb: CommandVerb, place: str, includes_unknown: bool, data: st.DataObject) -> None:
        numbers = data.draw(st.lists(st.sampled_from(sorted(self.is_once) or [1]), max_size=2, unique=True))
        order = Order(verb=verb, numbers=numbers, route="out", destination=place, includes_unknown=includes_unknown)
        leave_commands(Path(self.folder.name), [order], asked_by="model")
        (command,) = self.runner.run(self.spool.next_commands())
        expected = CarriedOut(0)
        if verb not in (CommandVerb.SUSPEND, CommandVerb.RESUME):
            expected = self.carry_out(order)
        assert self.runner.run(self.spool.carry_out(command, self.now)) == expected

    def carry_out(self, order: Order) -> CarriedOut:
        claimed = {key for key in self.claimed() if not order.numbers or key[0] in order.numbers}
        count = held = skipped = 0
        for key, (state, due_at) in list(self.states.items()):
            if (order.numbers and key[0] not in order.numbers) or key in self.claimed() or state in CLOSED:
                continue
            held += state is RecipientState.HELD
            if self.is_left_out(order, key):
                skipped += 1
                continue
            new = self.after(order.verb, state, due_at)
            if new != (state, due_at) or order.verb is CommandVerb.REDIRECT:
                count += 1
                self.states[key] = new
            if order.verb is CommandVerb.REDIRECT:
                assert order.destination is not None
                self.destinations[key] = order.destination
        return CarriedOut(count, frozenset(claimed), held if order.verb is CommandVerb.RETRY else 0, skipped)

    @precondition(lambda self: self.states)
    @rule(place=st.sampled_from(DESTINATIONS), data=st.data())
    def reopen(self, place: str, data: st.DataObject) -> None:
        keys = data.draw(st.lists(st.sampled_from(sorted(self.states)), min_size=1, max_size=3, unique=True))
        order = Order(verb=CommandVerb.REOPEN, keys=keys, route="out", destination=place)
        leave_commands(Path(self.folder.name), [order], asked_by="model")
        (command,) = self.runner.run(self.spool.next_commands())
        with_content = {number for (number, _), (state, _) in self.states.items() if state not in CLOSED}
        count = 0
        for key in keys:
            is_failed = self.states[key][0] is RecipientState.FAILED
            if is_failed and key[0] in with_content and key not in self.doubtful:
                self.states[key], self.destinations[key] = (RecipientState.READY, self.now), place
                count += 1
        claimed = frozenset(self.claimed() & set(keys))
        expected = CarriedOut(count, claimed, 0, len(keys) - count)
        assert self.runner.run(self.spool.carry_out(command, self.now)) == expected

    def is_left_out(self, order: Order, key: Key) -> bool:
        if order.verb is CommandVerb.REDIRECT:
            return key in self.doubtful and not order.includes_unknown
        return order.verb is CommandVerb.COMPLETE and key not in self.doubtful

    def after(
        self, verb: CommandVerb, state: RecipientState, due_at: float | None
    ) -> tuple[RecipientState, float | None]:
        is_held = state is RecipientState.HELD
        if verb is CommandVerb.DELETE:
            return RecipientState.DELETED, None
        if verb is CommandVerb.COMPLETE:
            return RecipientState.DELIVERED, None
        if verb is CommandVerb.HOLD:
            return RecipientState.HELD, None
        if verb is CommandVerb.RELEASE and is_held:
            return RecipientState.READY, self.now
        if verb is CommandVerb.RETRY and due_at is not None and due_at > self.now:
            return state, self.now
        if verb is CommandVerb.REDIRECT and not is_held:
            return state, self.now
        return state, due_at

    @rule(seconds=st.sampled_from([0.5, 61.0, 301.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def restart(self) -> None:
        self.runner.run(self.spool.close())
        self.claims.clear()
        self.cut_short(set(self.attempted))
        self.open()

    @invariant()
    def due_agrees(self) -> None:
        earliest: dict[str, float] = {}
        claimed = self.claimed()
        for key, (_, due_at) in self.states.items():
            if due_at is not None and key not in claimed:
                place = self.destinations[key]
                earliest[place] = min(due_at, earliest.get(place, due_at))
        found = self.runner.run(self.spool.due())
        assert {place.destination: place.due_at for place in found} == earliest
        assert [place.due_at for place in found] == sorted(place.due_at for place in found)

    def teardown(self) -> None:
        self.runner.run(self.spool.close())
        self.runner.close()
        self.folder.cleanup()


SpoolMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestSpoolModel = SpoolMachine.TestCase
