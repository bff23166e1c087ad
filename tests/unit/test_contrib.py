"""The Grafana board and the alert rules ask for what /metrics really has."""

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from staffetta import metrics

CONTRIB = Path(__file__).parents[2] / "contrib"
BOARD: dict[str, Any] = json.loads((CONTRIB / "grafana" / "staffetta.json").read_text(encoding="utf-8"))
RULES: dict[str, Any] = yaml.safe_load((CONTRIB / "prometheus" / "staffetta.rules.yml").read_text(encoding="utf-8"))
ALERTS: list[dict[str, Any]] = RULES["groups"][0]["rules"]

_OF_PROMETHEUS = {"instance", "job", "le"}
_SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


def known_series() -> dict[str, set[str]]:
    """Of every series its labels."""
    known = {}
    for metric in metrics.all_metrics():
        description = next(iter(metric.describe()))
        for suffix in _SUFFIXES[description.type]:
            known[description.name + suffix] = {*metric._labelnames, *_OF_PROMETHEUS}
    return known


def questions() -> Iterator[tuple[str, str]]:
    """Who asks, and what."""
    for panel in BOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for alert in ALERTS:
        yield alert["alert"], alert["expr"]


@pytest.mark.parametrize(("_who", "expression"), list(questions()), ids=itertools.count())
def test_every_series_and_label_that_is_asked_for_exists(_who: str, expression: str) -> None:
    series = known_series()
    named = set(re.findall(r"\bstaffetta_\w+", expression))
    assert named <= series.keys()
    if not named:
        assert expression.startswith("up{")
        return
    labels = set.union(*(series[name] for name in named))
    matched = {label for inner in re.findall(r"\{([^}]*)\}", expression) for label in re.findall(r"(\w+)[=!]", inner)}
    grouped = {label.strip() for inner in re.findall(r"\bby \(([^)]*)\)", expression) for label in inner.split(",")}
    assert matched | grouped <= labels


def test_every_metric_that_tells_of_mail_is_on_the_board() -> None:
    asked = " ".join(expression for _, expression in questions())
    missing = [
        name
        for name in (next(iter(metric.describe())).name for metric in metrics.all_metrics())
        if name not in asked and name not in NOT_ON_THE_BOARD
    ]
    assert not missing
    assert [name for name in NOT_ON_THE_BOARD if name in asked and name not in TOLD_BY_AN_ALERT] == []


NOT_ON_THE_BOARD = {
    "staffetta_received_bytes": "the number of messages says as much",
    "staffetta_senders_rewritten": "a choice of the administrator, not a state",
    "staffetta_signatures_broken": "a choice of the administrator, not a state",
    "staffetta_authentications": "those who could not log in are among the refusals",
    "staffetta_next_hop_logins": "the attempts fail with them",
    "staffetta_oauth_token_expiry_timestamp_seconds": "the age is shown",
    "staffetta_tolerance_end_timestamp_seconds": "an alert tells of it",
    "staffetta_acme_orders": "the alert counts failures in a row",
    "staffetta_acme_failures": "an alert tells of it",
    "staffetta_acme_next_order_timestamp_seconds": "the end of the certificate is shown",
    "staffetta_log_lines_lost": "the alerts of disk and service come first",
    "staffetta_probe_last_success_timestamp_seconds": "the alert counts results, whatever the period is",
    "staffetta_probe_leg_seconds": "only a relay with probes has it",
    "staffetta_build_info": "the list of instances is made of it",
}


TOLD_BY_AN_ALERT = {"staffetta_tolerance_end_timestamp_seconds", "staffetta_acme_failures"}


def test_panels_are_named_explained_and_do_not_cover_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        assert panel["title"] and panel["description"].endswith(".")
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_alert_says_what_is_wrong_and_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert alert["annotations"]["summary"] and alert["annotations"]["action"]
