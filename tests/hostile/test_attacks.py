"""Every attack of the table against a running relay; it stands afterwards, and takes the next message."""

from collections.abc import Iterator

import pytest

from tests.hostile.attacks import ATTACKS, Attack
from tests.hostile.trial import standing_relay, tried
from tests.live.sink import Sink

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def standing() -> Iterator[tuple[int, Sink]]:
    with standing_relay() as standing:
        yield standing


@pytest.mark.parametrize(
    ("attack", "variant"),
    [
        pytest.param(attack, variant, id=f"{attack.name} ({attack.source})-{variant}")
        for attack in ATTACKS
        for variant in attack.variants
    ],
)
def test_an_attack_gets_what_is_expected(attack: Attack, variant: str, standing: tuple[int, Sink]) -> None:
    port, sink = standing
    result = tried(port, attack, variant, sink)
    assert result.is_as_expected, f"{attack.expected}: {result.seen}"
