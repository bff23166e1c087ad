"""How long pages of the console take over a long trace, and how heavy they are: lists, and every form of a search.

    .venv/bin/python -m bench.console                     # 1,000,000 messages; 1 GiB in /tmp, about two minutes
    .venv/bin/python -m bench.console --messages 100000 --rounds 5
    .venv/bin/python -m bench.console --markdown table.md

The console answers in this process, without a socket: routing, guard, operation, SQL and template are real; the trace
is of bench/console_trace.py. Octets are those of the page with its styles, scripts and pictures, not compressed. CPU
is of the process, and says more than the clock on a busy machine.
The targets: lists within 200 ms and searches within 500 ms at p95, no page over 150 KiB (exit status 1 where one is
missed).
"""

import argparse
import asyncio
import math
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from bench.console_trace import WITH_SOME, WITHOUT_MAIL, declared, fill
from staffetta.admin.web.menu import entries
from staffetta.mail.queue_id import make_number, to_text
from tests.unit.admin.web.browser import Browser, Console, console

LIST_SECONDS_MAX, SEARCH_SECONDS_MAX = 0.2, 0.5
OCTETS_MAX = 150 * 1024
WAITING = 20_000
_ASSET = re.compile(r'(?:src|href)="(/static/[^"]+)"')
_TOOLS = ("/analyzer", "/send-test", "/simulator", "/doctor", "/probe", "/replies")  # no lists


@dataclass(frozen=True)
class Measured:
    name: str
    cpu: float
    p50: float
    p95: float
    most: float
    octets: int

    @property
    def is_missed(self) -> bool:
        return self.p95 > self.most or self.octets > OCTETS_MAX


def lists() -> Iterator[tuple[str, str]]:
    """Yield name and address."""
    for entry in entries():
        if entry.path not in _TOOLS:
            yield entry.label, entry.path
    yield "Proposals", "/refused/proposals?Minutes=1440"
    middle = f"{to_text(make_number(int((time.time() - 15 * 86_400) * 1e6), 0, 0))}/0"
    yield "Message trace, in the middle", f"/trace?span=all&StartingRow={quote(middle)}"


def searches(count: int) -> Iterator[str]:
    """Yield what is typed: of each field what is there often, seldom and never, and fields together."""
    known = to_text(make_number(int((time.time() - 15 * 86_400) * 1e6), 0, 0))
    day = datetime.now(UTC) - timedelta(days=20)
    yield from ("from:user77@contoso.com", "from:noreply@contoso.com", "from:nobody@contoso.com")
    yield from ("from:*@contoso.com", "from:*@tailspin.com", "from:*@nowhere.example")
    yield from ("to:r4077@example.net", "to:nobody@example.net", "to:*@example.net", "to:*@nowhere.example")
    yield from ("user77@contoso.com", "nobody@contoso.com", "*@nowhere.example")
    yield from ("status:delivered", "status:failed", "status:pending", "status:gettingstatus")
    yield from ('connector:"connector 7"', "connector:nothing", "ip:192.0.2.77", "ip:203.0.113.1")
    yield from (f"id:{known}", f"<{count // 2}@contoso.com>", "<nothing@contoso.com>")
    yield from (f"subject:{count // 2}", "invoice", "nothing", "für", "FÜR", "доклад")
    yield from (f"after:{day:%Y-%m-%d}", f"before:{day:%Y-%m-%d}", f"before:{day:%Y-%m-%d} after:{day:%Y-%m-%d}T00:00")
    yield from ("from:noreply@contoso.com status:failed", "from:noreply@contoso.com nothing")
    yield from ("from:noreply@contoso.com ip:203.0.113.1", "from:user77@contoso.com to:r4077@example.net")
    yield from ("status:failed to:*@nowhere.example", "status:pending from:*@nowhere.example")
    yield from ("status:pending connector:nothing", "to:*@example.net connector:nothing nothing")


def measure(browser: Browser, name: str, address: str, most: float, rounds: int) -> Measured:
    taken, used = [], []
    for _ in range(rounds):
        began, cpu = time.perf_counter(), time.process_time()
        browser.get(address)
        taken.append(time.perf_counter() - began)
        used.append(time.process_time() - cpu)
        if browser.status != 200:
            raise SystemExit(f"{address}: {browser.status}")
    taken.sort()
    used.sort()
    page, octets = browser.text, len(browser.text.encode())
    for asset in sorted(set(_ASSET.findall(page))):
        octets += len(browser.client.get(asset).content)
    found = Measured(name, used[rounds // 2], taken[rounds // 2], taken[math.ceil(rounds * 0.95) - 1], most, octets)
    print(_line(found), flush=True)
    return found


def _line(found: Measured) -> str:
    times = f"{found.cpu * 1e3:8.1f} {found.p50 * 1e3:8.1f} {found.p95 * 1e3:8.1f} {found.most * 1e3:7.0f}"
    return f"{found.name:52} {times} {found.octets / 1024:8.0f}{'  missed' if found.is_missed else ''}"


def _of_people(site: Console, messages: int, rounds: int) -> Iterator[Measured]:
    """Measure as the administrator of all, and as those of two organisations."""
    ada, api = site.signed_in("ada", "Organization Management"), site.browser()
    api.client.headers["Authorization"] = "Bearer all"
    for label, address in lists():
        yield measure(ada, label, address, LIST_SECONDS_MAX, rounds)
    for text in searches(messages):
        yield measure(ada, text, f"/trace?span=all&Search={quote(text)}", SEARCH_SECONDS_MAX, rounds)
    for asked in ("ToIP=192.0.2.250", "ToIP=mx.example.net", "Subject=Inv&SubjectFilterType=StartsWith"):
        path = f"/api/message-trace-v2?StartDate=2020-01-01&ResultSize=50&{asked}"
        yield measure(api, f"Get-MessageTraceV2 {asked}", path, SEARCH_SECONDS_MAX, rounds)
    for organization in (WITH_SOME, WITHOUT_MAIL):
        browser = site.signed_in(f"of {organization}", "Organization Management", organization=organization)
        for label, address in (("Home", "/"), ("Queues", "/queues"), ("Message trace", "/trace")):
            yield measure(browser, f"{label}, as {organization}", address, LIST_SECONDS_MAX, rounds)
        for text in ("", "nothing", "from:noreply@contoso.com", "status:failed", "status:pending"):
            name = f"{text or 'all that is kept'}, as {organization}"
            yield measure(browser, name, f"/trace?span=all&Search={quote(text)}", SEARCH_SECONDS_MAX, rounds)


def _markdown(found: list[Measured]) -> str:
    lines = ["| page | CPU ms | p50 ms | p95 ms | at most | KiB |", "| --- | --- | --- | --- | --- | --- |"]
    for each in found:
        name = f"`{each.name}`" if each.most == SEARCH_SECONDS_MAX else each.name
        times = f"{each.cpu * 1e3:.0f} | {each.p50 * 1e3:.0f} | {each.p95 * 1e3:.0f} | {each.most * 1e3:.0f}"
        lines.append(f"| {name} | {times} | {each.octets / 1024:.0f} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--waiting", type=int, default=WAITING, help="recipients that wait, about")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--markdown", type=Path, help="where the table goes, as in docs/performance.md")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="staffetta-console-") as folder, console(Path(folder)) as site:
        site.office.now = time.time
        site.office.settings = declared(site.office.settings)
        began = time.perf_counter()
        asyncio.run(fill(Path(folder), messages=given.messages, waiting=given.waiting))
        print(f"{given.messages:,} messages written in {time.perf_counter() - began:.0f} s")
        print(f"{'page':52} {'CPU ms':>8} {'p50 ms':>8} {'p95 ms':>8} {'target':>7} {'KiB':>8}")
        found = list(_of_people(site, given.messages, given.rounds))
    missed = [each for each in found if each.is_missed]
    print(f"{len(found)} pages, {len(missed)} missed")
    if given.markdown:
        given.markdown.write_text(_markdown(found), encoding="utf-8")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
