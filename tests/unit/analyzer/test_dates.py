"""Times as servers write them."""

from datetime import UTC, datetime

import pytest

from staffetta.analyzer.dates import parse

NOON = datetime(2014, 8, 21, 12, 12, 48, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "Thu, 21 Aug 2014 12:12:48 +0000",
        "Thu, 21 Aug 2014 14:12:48 +0200 (CEST)",
        "Thu, 21 Aug 2014 05:12:48 -0700 (PDT) (envelope-from <a@b.example>)",
        "21 Aug 2014 12:12:48 GMT",
        "Thu, 21 Aug 2014 12:12:48 UT",
        "Thu, 21 Aug 14 12:12:48 +0000",
        "Thu, 21 Aug 114 12:12:48 +0000",
        "Thu,21 Aug 2014 07:12:48 EST",
        "Thursday, 21-Aug-2014 14:12:48 CEST",
        "Thu (the day) , 21 (of) Aug 2014 12:12:48 (at (the) mill) +0000",
        "Thu Aug 21 12:12:48 2014 +0000",
        "Thu Aug 21 12:12:48 UTC 2014",
        "2014-08-21T12:12:48Z",
        "2014-08-21 14:12:48 +02:00",
        "2014-08-21T12:12:48+0000",
        "8/21/2014 12:12:48 PM +0000",
        "8/21/2014 5:12:48 AM -0700",
        "21 Aug 2014 12.12.48 +0000",
        "21 Aug 2014 12:12:48 GMT+0000",
        "  Thu,  21  Aug  2014  12:12:48  -0000  ",
    ],
)
def test_the_same_instant_in_many_forms(text: str) -> None:
    instant = parse(text)
    assert instant is not None
    assert (instant.at, instant.is_zone_assumed) == (NOON, False)


@pytest.mark.parametrize("text", ["Thu Aug 21 12:12:48 2014", "21 Aug 2014 12:12:48 XYZ", "21 Aug 2014 12:12:48 +9999"])
def test_a_time_without_a_zone_is_taken_for_utc_and_says_so(text: str) -> None:
    instant = parse(text)
    assert instant is not None
    assert (instant.at, instant.is_zone_assumed) == (NOON, True)


def test_fractions_and_leap_seconds_are_kept() -> None:
    exchange = parse("03 Sep 2021 00:42:11.9931 (UTC)")
    assert exchange and exchange.at == datetime(2021, 9, 3, 0, 42, 11, 993_100, tzinfo=UTC)
    leap = parse("Sat, 31 Dec 2016 23:59:60 +0000")
    assert leap and leap.at == datetime(2017, 1, 1, tzinfo=UTC)
    short = parse("Thu, 21 Aug 2014 12:12 +0000")
    assert short and short.at == NOON.replace(second=0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "32 Aug 2014 12:12:48 +0000",
        "21 Aug 2014",
        "12:12:48",
        "21 Aug 2014 25:00:00 +0000",
        "1 Jan 0001 00:00:00 +1400",
        "21 Xyz 2014 1:1",
        "9" * 5000,
        "1:" * 5000,
    ],
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert parse(text) is None
