from pathlib import Path

from tests.unit.admin.serving import Web, serving


def test_healthz_says_that_the_process_lives_even_when_it_is_not_ready(tmp_path: Path) -> None:
    with serving(tmp_path, "draining") as web:
        answer = web("GET", "/healthz", token=None)
    assert (answer.status, answer.text) == (200, "ok\n")


def test_readyz_is_ok_without_obstacles(web: Web) -> None:
    answer = web("GET", "/readyz", token=None)
    assert (answer.status, answer.text) == (200, "ok\n")


def test_readyz_names_each_obstacle(tmp_path: Path) -> None:
    with serving(tmp_path, "draining", "disk full") as web:
        answer = web("GET", "/readyz", token=None)
    assert (answer.status, answer.text) == (503, "draining\ndisk full\n")


def test_metrics_are_refreshed_before_they_are_told(web: Web) -> None:
    answer = web("GET", "/metrics", token=None)
    assert answer.status == 200
    assert "# HELP" in answer.text
    assert web.status.refreshed == 1


def test_a_stranger_learns_no_more_than_where_to_sign_in(web: Web) -> None:
    answer = web("GET", "/", token=None)
    assert (answer.status, answer.headers["location"]) == (303, "/sign-in?next=%2F")
    assert "relay.example.org" not in web("GET", "/sign-in", token=None, headers={"Accept": "text/html"}).text
