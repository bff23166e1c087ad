"""Which next hop comes first, and which rests."""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from staffetta.delivery.hops import REST_FIRST_SECONDS, REST_MAX_SECONDS, NextHops
from staffetta.delivery.trouble import HopTrouble
from staffetta.mail.outcome import Stage
from staffetta.settings.roads import NextHop, Route
from staffetta.trace.next_hops import HopState, read_states, write_states

FIRST, SECOND, SPARE = (NextHop(host=f"{name}.test", priority=at) for name, at in (("a", 0), ("b", 0), ("c", 10)))
ROUTE = Route(name="out", next_hops=(SPARE, FIRST, SECOND))
REFUSED = HopTrouble("4.4.1", "cannot connect: refused", Stage.CONNECT)


class World:
    """Hops with a clock of the test's own, and the same draws each time."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.told: list[list[HopState]] = []
        draw = random.Random(7).random
        self.hops = NextHops(lambda states: self.told.append(list(states)), now=lambda: self.now, draw=draw)
        self.hops.announce({"out": ROUTE})

    def turn(self) -> list[str]:
        return [hop.host for hop in self.hops.in_turn(ROUTE)]

    def fail(self, hop: NextHop) -> None:
        self.hops.unwell(ROUTE, hop, REFUSED)

    def state(self, hop: NextHop) -> HopState:
        return next(state for state in self.hops.states() if state.host.startswith(hop.host))


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.hops.announce({})


def up(hop: NextHop) -> float | None:
    return REGISTRY.get_sample_value("staffetta_next_hop_up", {"route": "out", "host": f"{hop.host}:{hop.port}"})


def test_lower_priority_first_and_equals_in_either_order(world: World) -> None:
    turns = Counter(tuple(world.turn()) for _ in range(200))
    assert set(turns) == {("a.test", "b.test", "c.test"), ("b.test", "a.test", "c.test")}
    assert min(turns.values()) > 60


def test_weight_is_the_share_and_zero_comes_last(world: World) -> None:
    hops = (NextHop(host="never", weight=0), NextHop(host="often", weight=3), NextHop(host="seldom", weight=1))
    orders = [[hop.host for hop in world.hops.ordered(hops)] for _ in range(1000)]
    assert all(order[-1] == "never" for order in orders)
    assert 0.7 < sum(order[0] == "often" for order in orders) / 1000 < 0.8


def test_a_hop_in_trouble_is_left_out_until_it_has_rested(world: World) -> None:
    world.fail(FIRST)
    assert world.turn() == ["b.test", "c.test"]
    assert up(FIRST) == 0
    world.now += REST_FIRST_SECONDS * 1.2
    assert "a.test" in world.turn()


def test_after_the_rest_one_attempt_probes_and_the_others_go_on_without_it(world: World) -> None:
    world.fail(SPARE)
    world.fail(SECOND)
    world.fail(FIRST)
    world.hops.well(ROUTE, SECOND)
    world.now += REST_FIRST_SECONDS * 1.2
    probes = world.hops.in_turn(ROUTE)
    tried = next(probes)
    while tried != FIRST:
        tried = next(probes)
    assert "a.test" not in world.turn()
    world.hops.well(ROUTE, FIRST)
    probes.close()
    assert "a.test" in world.turn()
    assert up(FIRST) == 1


def test_a_probe_that_is_given_up_leaves_its_place_to_the_next(world: World) -> None:
    world.fail(FIRST)
    world.now += REST_MAX_SECONDS * 2
    probes = world.hops.in_turn(ROUTE)
    while next(probes) != FIRST:
        pass
    probes.close()
    assert "a.test" in world.turn()


def test_every_further_trouble_doubles_the_rest_up_to_the_longest(world: World) -> None:
    rests = []
    for _ in range(8):
        world.fail(FIRST)
        rests.append(world.state(FIRST).rests_until - world.now)
        world.now = world.state(FIRST).rests_until
    for number, rest in enumerate(rests):
        assert 0.8 <= rest / min(REST_FIRST_SECONDS * 2**number, REST_MAX_SECONDS) <= 1.2


def test_attempts_that_fail_together_count_once(world: World) -> None:
    world.fail(FIRST)
    world.fail(FIRST)
    assert world.state(FIRST).troubles == 1


def test_where_none_may_be_tried_all_are(world: World) -> None:
    for hop in (FIRST, SECOND, SPARE):
        world.fail(hop)
    assert sorted(world.turn()) == ["a.test", "b.test", "c.test"]


def test_changes_are_told_and_hops_that_are_gone_are_forgotten(world: World) -> None:
    world.fail(FIRST)
    assert [state.host for state in world.told[-1] if not state.is_up] == ["a.test:25"]
    world.hops.announce({"out": ROUTE.model_copy(update={"next_hops": (SPARE,)})})
    assert [state.host for state in world.told[-1]] == ["c.test:25"]
    assert up(FIRST) is None


def test_states_are_kept_for_other_processes(tmp_path: Path) -> None:
    assert list(read_states(tmp_path)) == []
    states = [HopState("out", "a.test:25", 2, 1.0, 2.0, "refused")]
    write_states(tmp_path, states)
    assert list(read_states(tmp_path)) == states
    (tmp_path / "next-hops.json").write_text("[{}]")
    assert list(read_states(tmp_path)) == []
