"""Charts, drawn on the server as SVG: bars over time, a heat map, hops. `parts/chart.html` shows them.

Rule 1: every chart has a title, one sentence that says what it shows, and a table with the same numbers.
Rule 2: colours are classes (series-1 … series-6, heat-0 … heat-4), so that a chart follows the theme; what a colour
says, a legend or a title says too.
Rule 3: a chart is drawn 720 wide; its box scrolls where the page is narrower.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

WIDTH = 720.0
_LEFT, _TOP, _BOTTOM, _PLOT = 44.0, 8.0, 22.0, 180.0
_ROW, _NAME = 26.0, 190.0
_LABELS_MAX = 8
_HEATS = 4


@dataclass(frozen=True, slots=True)
class Shape:
    """A rectangle. title: what a pointer on it reads. href: where it leads, or nowhere. text: written in its middle."""

    x: float
    y: float
    width: float
    height: float
    style: str
    title: str = ""
    href: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """A text; anchor: start, middle or end. at: a time that scripts show in the browser's zone instead."""

    x: float
    y: float
    text: str
    anchor: str = "middle"
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """lines: heights at which a line crosses the plot. legend: style and words. heads, rows: the table of numbers."""

    title: str
    about: str
    height: float
    shapes: Sequence[Shape]
    labels: Sequence[Label]
    lines: Sequence[float]
    legend: Sequence[tuple[str, str]]
    heads: Sequence[str]
    rows: Sequence[Sequence[object]]
    left: float = _LEFT


@dataclass(frozen=True, slots=True)
class Series:
    """words: translated. values: one for each time. style: 1 to 6. hrefs: where each bar leads, or nothing."""

    words: str
    values: Sequence[int]
    style: int
    hrefs: Sequence[str] = ()


def stacked_bars(title: str, about: str, times: Sequence[datetime], series: Sequence[Series], time_word: str) -> Chart:
    """Return bars over time, the first series at the bottom. time_word: heads the times in the table."""
    totals = [sum(each.values[place] for each in series) for place in range(len(times))]
    top = _nice(max(totals, default=0))
    step = (WIDTH - _LEFT) / max(1, len(times))
    shapes = []
    for place, at in enumerate(times):
        y = _TOP + _PLOT
        for each in series:
            value = each.values[place]
            height = _PLOT * value / top
            y -= height
            if value:
                name = f"{at:%Y-%m-%d %H:%M} UTC, {each.words}: {value}"
                href = each.hrefs[place] if each.hrefs else ""
                x = _LEFT + place * step + step * 0.1
                shapes.append(Shape(x, y, step * 0.8, height, f"series-{each.style}", name, href))
    every = max(1, math.ceil(len(times) / _LABELS_MAX))
    marks = [
        Label(_LEFT + (place + 0.5) * step, _TOP + _PLOT + 15, f"{at:%H:%M}", at=at)
        for place, at in enumerate(times)
        if place % every == 0
    ]
    scale = [(top * part / 4, _TOP + _PLOT * (1 - part / 4)) for part in range(5)]
    marks += [Label(_LEFT - 6, y + 4, f"{value:g}", "end") for value, y in scale]
    return Chart(
        title,
        about,
        _TOP + _PLOT + _BOTTOM,
        shapes,
        marks,
        [y for _, y in scale],
        [(f"series-{each.style}", each.words) for each in series],
        [time_word, *(each.words for each in series)],
        [[at, *(each.values[place] for each in series)] for place, at in enumerate(times)],
    )


def heat_map(
    title: str,
    about: str,
    names: Sequence[str],
    columns: Sequence[str],
    counts: Sequence[Sequence[int]],
    *,
    name_word: str,
    hrefs: Sequence[str] = (),
) -> Chart:
    """Return a row for each name, a cell for each column. counts: by name. hrefs: where a row's cells lead.

    A cell's heat grows with the logarithm of its count, the hottest being the largest there is.
    """
    largest = max((count for row in counts for count in row), default=0)
    step = (WIDTH - _NAME) / max(1, len(columns))
    shapes, labels = [], [Label(_NAME + (place + 0.5) * step, 14, text) for place, text in enumerate(columns)]
    for line, (name, row) in enumerate(zip(names, counts, strict=True)):
        y = 22 + line * _ROW
        labels.append(Label(_NAME - 8, y + 17, _cut(name), "end"))
        for place, count in enumerate(row):
            href = hrefs[line] if hrefs and count else ""
            style, text = f"heat-{_heat(count, largest)}", str(count) if count else ""
            words = f"{name}, {columns[place]}: {count}"
            shapes.append(Shape(_NAME + place * step + 1, y + 1, step - 2, _ROW - 2, style, words, href, text))
    rows = [[name, *row] for name, row in zip(names, counts, strict=True)]
    height = 24 + len(names) * _ROW
    return Chart(title, about, height, shapes, labels, (), (), [name_word, *columns], rows, _NAME)


def hop_bars(title: str, about: str, hops: Sequence[tuple[str, float | None]], heads: Sequence[str]) -> Chart:
    """Return a bar for each hop, as long as it took in seconds; None: not known. heads: of the two columns."""
    longest = max((seconds for _, seconds in hops if seconds is not None), default=0.0) or 1.0
    shapes, labels = [], []
    for line, (name, seconds) in enumerate(hops):
        y = line * _ROW + 2
        labels.append(Label(_NAME - 8, y + 17, _cut(name), "end"))
        known = max(0.0, seconds or 0.0)
        width = max(2.0, (WIDTH - _NAME - 70) * known / longest)
        words = "?" if seconds is None else f"{seconds:g} s"
        shapes.append(Shape(_NAME, y + 3, width, _ROW - 8, "series-2", f"{name}: {words}"))
        labels.append(Label(_NAME + width + 6, y + 17, words, "start"))
    return Chart(title, about, len(hops) * _ROW + 6, shapes, labels, (), (), heads, list(hops), _NAME)


def _nice(largest: float) -> float:
    """Return the end of a scale: 4, 10, 20, 40, 100 and so on, so that its quarters are read at a glance."""
    if largest <= 4:
        return 4.0
    magnitude = 10.0 ** math.floor(math.log10(largest))
    return next(magnitude * factor for factor in (1, 2, 4, 6, 8, 10) if magnitude * factor >= largest)


def _heat(count: int, largest: int) -> int:
    if count <= 0:
        return 0
    return max(1, min(_HEATS, math.ceil(_HEATS * math.log(count + 1) / math.log(largest + 1))))


def _cut(name: str) -> str:
    return name if len(name) <= 28 else f"{name[:27]}…"
