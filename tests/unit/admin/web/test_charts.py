"""Charts: what is drawn is what the table says."""

from datetime import UTC, datetime, timedelta

import pytest

from staffetta.admin.web import charts
from staffetta.admin.web.charts import Series
from staffetta.admin.web.page import environment_of

TIMES = [datetime(2026, 11, 24, tzinfo=UTC) + timedelta(hours=hour) for hour in range(24)]


def test_bars_stand_on_each_other_and_fill_the_plot_no_further_than_its_scale() -> None:
    accepted, refused = Series("Accepted", [7] * 24, 1), Series("Refused", [3] * 24, 4)
    chart = charts.stacked_bars("Mail flow", "24 hours", TIMES, [accepted, refused], "Time")
    first, second = chart.shapes[:2]
    assert first.y == pytest.approx(second.y + second.height)
    assert first.height / second.height == pytest.approx(7 / 3)
    assert min(shape.y for shape in chart.shapes) == pytest.approx(min(chart.lines))
    assert chart.rows[0] == [TIMES[0], 7, 3]
    assert first.title == "2026-11-24 00:00 UTC, Accepted: 7"


def test_nothing_draws_nothing_and_divides_by_nothing() -> None:
    assert charts.stacked_bars("t", "a", [], [], "Time").shapes == []
    assert charts.stacked_bars("t", "a", TIMES, [Series("x", [0] * 24, 1)], "Time").shapes == []
    assert charts.heat_map("t", "a", [], [], [], name_word="n").shapes == []
    assert charts.hop_bars("t", "a", [], ("hop", "s")).shapes == []


def test_heat_grows_with_the_count_and_an_empty_cell_is_cold() -> None:
    chart = charts.heat_map("t", "a", ["x"], ["1", "2", "3", "4"], [[0, 1, 30, 1000]], name_word="n", hrefs=["/queues"])
    heats = [shape.style for shape in chart.shapes]
    assert heats == sorted(heats)
    assert (heats[0], heats[-1]) == ("heat-0", "heat-4")
    assert [shape.href for shape in chart.shapes] == ["", "/queues", "/queues", "/queues"]


def test_a_hop_that_took_nothing_or_an_unknown_time_is_there() -> None:
    chart = charts.hop_bars("t", "a", [("a", 0.0), ("b", 4.0), ("c", None), ("d", -2.0)], ("hop", "seconds"))
    assert chart.shapes[0].width == 2.0
    assert max(shape.width for shape in chart.shapes) == chart.shapes[1].width
    assert [label.text for label in chart.labels if label.anchor == "start"] == ["0 s", "4 s", "?", "-2 s"]


@pytest.mark.parametrize(("largest", "end"), [(0, 4), (4, 4), (5, 6), (11, 20), (100, 100), (101, 200), (999, 1000)])
def test_scales_end_where_a_reader_expects(largest: int, end: int) -> None:
    chart = charts.stacked_bars("t", "a", TIMES[:1], [Series("x", [largest], 1)], "Time")
    assert [label.text for label in chart.labels if label.anchor == "end"][-1] == f"{end}"


def test_the_macro_shows_every_kind_with_its_words_escaped() -> None:
    kinds = [
        charts.stacked_bars("Flow", "Mail", TIMES, [Series("<b>", [5] * 24, 1)], "Time"),
        charts.heat_map("Stuck", "Queues", ["<i>.test"], ["1 h"], [[3]], name_word="Queue", hrefs=["/queues?q=i"]),
        charts.hop_bars("Hops", "Hops", [("a.test", 3.0)], ("Hop", "Seconds")),
    ]
    template = environment_of("en").from_string('{% from "parts/chart.html" import chart %}{{ chart(it) }}')
    for kind in kinds:
        text = template.render(it=kind)
        assert text.count("<rect") >= len(kind.shapes)
        assert "<b>" not in text
        assert "<i>" not in text
