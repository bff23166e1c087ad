"""`python -m tests.dependencies audit|sbom`: known holes in what we depend on, and a list of all of it.

Rule 1: a known hole fails, by its id, unless audit-allowed.toml says why it is none for us, and until when.
Rule 2: what could not be looked up is told and fails nothing: the build must not depend on another's service.
"""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
ALLOWED = ROOT / "audit-allowed.toml"


@dataclass(frozen=True)
class Verdict:
    """lines: to be read. is_bad: there is a known hole that nobody has looked at."""

    lines: tuple[str, ...]
    is_bad: bool


def verdict(report: Mapping[str, Any] | None, allowed: Sequence[Mapping[str, Any]], today: date) -> Verdict:
    """Judge what pip-audit reports; None: it could not be had. allowed: id, package, until, why."""
    if report is None:
        return Verdict(("Not audited: the service cannot be reached.",), is_bad=False)
    lines: list[str] = []
    is_bad = False
    skipped = 0
    for package in report["dependencies"]:
        skipped += "skip_reason" in package
        for hole in package.get("vulns", ()):
            line, bears = _hole(package, hole, allowed, today)
            lines.append(line)
            is_bad |= not bears
    if skipped:
        total = len(report["dependencies"])
        lines.append(f"Not audited: {skipped} of {total} packages, of which the service says nothing.")
    return Verdict(tuple(lines) or ("No known holes.",), is_bad)


def _hole(
    package: Mapping[str, Any], hole: Mapping[str, Any], allowed: Sequence[Mapping[str, Any]], today: date
) -> tuple[str, bool]:
    names = {hole["id"], *hole.get("aliases", ())}
    what = f"{hole['id']} in {package['name']} {package['version']}"
    mended = ", ".join(hole.get("fix_versions", ())) or "no version yet"
    for each in allowed:
        if each["id"] in names and each["package"] == package["name"]:
            if today <= each["until"]:
                return f"{what}: borne until {each['until']}: {each['why']}", True
            return f"{what}: was to be borne until {each['until']}, which is over; mended in {mended}", False
    return f"{what}: mended in {mended}; `make lock`, or say in {ALLOWED.name} why it is none for us", False


def audit() -> Verdict:
    """Ask the package index of every package that the lock file names."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), "--disable-pip", "--require-hashes"]
    command += ["--vulnerability-service", "pypi", "--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        report = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        report = None
    allowed = tomllib.loads(ALLOWED.read_text(encoding="utf-8")).get("allowed", [])
    return verdict(report, allowed, datetime.now(UTC).date())


def sbom(target: Path) -> None:
    """Write a list of all that the lock file names (CycloneDX, JSON); the same lock gives the same octets."""
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "cyclonedx_py",
        "requirements",
        "requirements.lock",
        "--pyproject",
        "pyproject.toml",
    ]
    command += ["--mc-type", "application", "--output-reproducible", "--of", "JSON", "-o", str(target.absolute())]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    subprocess.run(command, check=True, capture_output=True, timeout=300, cwd=ROOT, env=environment)


def locked() -> Iterator[tuple[str, str]]:
    """Yield name and version of every package of the lock file."""
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        name, is_pin, version = line.partition("==")
        if is_pin and not line.startswith((" ", "#")):
            yield name, version.split()[0]


def main(words: Sequence[str]) -> int:
    """Return the exit status."""
    match words:
        case ["audit"]:
            found = audit()
            print("\n".join(found.lines))
            return 1 if found.is_bad else 0
        case ["sbom", target]:
            sbom(Path(target))
            print(target)
            return 0
    print(__doc__)
    return 64


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
