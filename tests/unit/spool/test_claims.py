"""Keys in hand while reads are under way: what a stale read found must not be taken twice."""

from staffetta.spool.claims import Hand


def test_a_key_let_go_during_a_read_stays_in_hand_until_its_end() -> None:
    hand = Hand()
    hand.take([(1, 0)])
    with hand.reading():
        with hand.reading():
            hand.let_go([(1, 0)])
            assert (1, 0) in hand
        assert (1, 0) in hand
    assert (1, 0) not in hand


def test_letting_go_tells_whose_attempt_had_begun() -> None:
    hand = Hand()
    hand.take([(1, 0), (1, 1)])
    hand.begin([(1, 1)])
    assert hand.let_go([(1, 0), (1, 1)]) == [(1, 1)]
    assert hand.let_go([(1, 0), (1, 1)]) == []
