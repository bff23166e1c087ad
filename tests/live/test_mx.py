"""Mail by MX, as a real DNS names the exchangers: NSD and Unbound in front, Postfix and our sink behind."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import names as dns
from tests.live import postfix
from tests.live.conftest import need
from tests.live.names import Names
from tests.live.outside import cannot_be_an_exchanger, relay_by_mx, sent_to
from tests.live.postfix import Postfix
from tests.live.relay import Relay, open_folder
from tests.live.sink import EVERYTHING, Sink

pytestmark = pytest.mark.live

HERE, NOBODY = "127.0.2.1", "127.0.2.2"
ZONES = {
    "two.test": f"""@ IN MX 10 dead.two.test.
@ IN MX 20 alive.two.test.
dead IN A {NOBODY}
alive IN A {HERE}
""",
    "implicit.test": f"@ IN A {HERE}\n",
    "null.test": "@ IN MX 0 .\n",
    "nothing.test": "@ IN TXT none\n",
    "loop.test": "@ IN MX 10 relay.test.\n",
    "cname.test": f"@ IN MX 10 alias.cname.test.\nalias IN CNAME real.cname.test.\nreal IN A {HERE}\n",
    "bogus.test": f"@ IN MX 10 mx.bogus.test.\nmx IN A {NOBODY}\n",
}


@pytest.fixture(scope="module")
def zones() -> Iterator[Names]:
    need(dns.missing())
    need(cannot_be_an_exchanger())
    forged = {"bogus.test": (f"mx.bogus.test.\t60\tIN\tA\t{NOBODY}", f"mx.bogus.test.\t60\tIN\tA\t{HERE}")}
    with Names(ZONES, signed=frozenset({"bogus.test"}), forged=forged) as zones:
        yield zones


@pytest.fixture(scope="module")
def behind() -> Iterator[Sink]:
    with Sink(*EVERYTHING) as sink:
        yield sink


@pytest.fixture(scope="module")
def exchanger(behind: Sink) -> Iterator[Postfix]:
    need(postfix.missing())
    with Postfix(behind.port, port=25, address=HERE) as exchanger:
        yield exchanger


@pytest.fixture(scope="module")
def relay(zones: Names, exchanger: Postfix) -> Iterator[Relay]:
    folder = open_folder()
    with relay_by_mx(folder, zones) as relay:
        yield relay
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("domain", "host"),
    [
        ("two.test", "alive.two.test"),
        ("implicit.test", "implicit.test"),
        ("cname.test", "alias.cname.test"),
    ],
)
def test_postfix_is_found_by_the_dns_and_gets_the_mail(relay: Relay, behind: Sink, domain: str, host: str) -> None:
    told = sent_to(relay, f"bob@{domain}")
    assert told.status == "Delivered"
    assert (told.event["host"], told.event["address"]) == (host, HERE)
    behind.wait_until(
        lambda arrivals: any(path.address == f"bob@{domain}" for each in arrivals for path in each.recipients)
    )


@pytest.mark.parametrize(
    ("domain", "event", "status", "reply"),
    [
        ("null.test", "Fail", "5.1.10", "null.test takes no mail: it says so by a null MX"),
        ("nowhere.two.test", "Fail", "5.1.2", "there is no domain nowhere.two.test"),
        ("nothing.test", "Fail", "5.1.2", "nothing.test has no address"),
        ("loop.test", "Fail", "5.4.6", "the mail exchanger of loop.test is relay.test, which is this relay"),
        ("bogus.test", "Defer", "4.4.3", "SERVFAIL"),
    ],
)
def test_where_there_is_no_exchanger_the_trace_says_why(
    relay: Relay, domain: str, event: str, status: str, reply: str
) -> None:
    told = sent_to(relay, f"bob@{domain}")
    assert (told.event["event"], told.event["status"]) == (event, status)
    assert reply in str(told.event["reply"])


def test_addresses_of_this_machine_are_not_for_strangers_to_name(zones: Names, tmp_path: Path) -> None:
    with relay_by_mx(tmp_path, zones, allows_private=False) as relay:
        told = sent_to(relay, "bob@implicit.test")
    assert (told.event["event"], told.event["status"]) == ("Fail", "5.4.4")
    assert f"{HERE} (loopback)" in str(told.event["reply"])
