"""What we depend on: under which licences, as which list, and what an audit of it means."""

import json
import re
from datetime import date
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

import pytest

from tests.dependencies import locked, sbom, verdict

TODAY = date(2026, 11, 24)
FREE = re.compile(
    r"MIT|MIT-0|MIT License|BSD License|BSD-[23]-Clause|Apache-2\.0|Apache Software License|ISC|PSF-2\.0|zlib"
    r"|Mozilla Public License 2\.0 \(MPL 2\.0\)"
)
TOLD_ELSEWHERE = {"dkimpy": "zlib"}
"""Where the package's metadata do not say: its LICENSE file."""
ELSEWHERE_ALONE = {"httpx2-jsfetch"}
"""Locked for platforms that this is not."""


def licences(name: str) -> list[str]:
    """Each of them must be free: `A AND B` is both, `A OR B` is counted so as well."""
    told = metadata(name)
    expression = told.get("License-Expression") or TOLD_ELSEWHERE.get(name)
    if expression:
        return re.split(r" (?:AND|OR|WITH) ", expression.strip("()"))
    classifiers = told.get_all("Classifier") or []
    return [each.rpartition(" :: ")[2] for each in classifiers if each.startswith("License")] or [told["License"]]


@pytest.mark.parametrize("name", sorted(name for name, _ in locked()))
def test_what_is_installed_with_us_has_a_licence_that_asks_nothing_of_ours(name: str) -> None:
    try:
        found = licences(name)
    except PackageNotFoundError:
        assert name in ELSEWHERE_ALONE
        return
    assert found
    assert [each for each in found if not FREE.fullmatch(each)] == []


def test_the_list_of_parts_names_every_package_with_its_hashes_and_is_made_alike_each_time(tmp_path: Path) -> None:
    for name in ("one.json", "two.json"):
        sbom(tmp_path / name)
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    made = json.loads((tmp_path / "one.json").read_text())
    assert made["bomFormat"] == "CycloneDX"
    assert made["metadata"]["component"]["name"] == "staffetta"
    assert {(each["name"], each["version"]) for each in made["components"]} == set(locked())
    for each in made["components"]:
        assert each["purl"].startswith("pkg:pypi/")
        assert any(reference.get("hashes") for reference in each["externalReferences"])


def report(*holes: dict[str, Any]) -> dict[str, Any]:
    return {"dependencies": [{"name": "jinja2", "version": "3.1", "vulns": list(holes)}]}


HOLE = {"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1"], "fix_versions": ["3.2"]}
BORNE = {"id": "CVE-2026-1", "package": "jinja2", "until": TODAY, "why": "we render no templates of others"}


def test_a_known_hole_fails_by_its_id() -> None:
    found = verdict(report(HOLE), [], TODAY)
    assert found.is_bad
    assert found.lines[0].startswith("PYSEC-2026-1 in jinja2 3.1: mended in 3.2; `make lock`, or say in")


@pytest.mark.parametrize(
    ("borne", "is_bad"),
    [
        ({}, False),
        ({"until": date(2026, 11, 23)}, True),
        ({"package": "markupsafe"}, True),
        ({"id": "CVE-2026-2"}, True),
    ],
)
def test_a_hole_is_borne_until_a_day_where_somebody_says_why(borne: dict[str, Any], is_bad: bool) -> None:
    assert verdict(report(HOLE), [{**BORNE, **borne}], TODAY).is_bad is is_bad


def test_what_could_not_be_looked_up_is_told_and_fails_nothing() -> None:
    assert verdict(None, [], TODAY).lines == ("Not audited: the service cannot be reached.",)
    skipped = {"dependencies": [{"name": "jinja2", "skip_reason": "not found"}]}
    found = verdict(skipped, [], TODAY)
    assert not found.is_bad
    assert found.lines == ("Not audited: 1 of 1 packages, of which the service says nothing.",)
    assert verdict(report(), [], TODAY).lines == ("No known holes.",)
