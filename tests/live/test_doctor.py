"""The doctor with what is real: zones that ldns signs, Unbound that validates them or only passes them on."""

import asyncio
from collections.abc import Iterator

import pytest

from staffetta.doctor.facts import ResolverFacts
from staffetta.doctor.gathering import names
from staffetta.settings.model import Dns, Settings
from tests.live import names as dns
from tests.live.conftest import need
from tests.live.names import Names
from tests.live.relay import open_folder

pytestmark = pytest.mark.live

ADDRESS = "203.0.113.7"
ZONES = {"signed.test": f"@ IN TXT signed\nmail IN A {ADDRESS}\n", "forged.test": f"@ IN A {ADDRESS}\n"}


@pytest.fixture(scope="module")
def resolvers() -> Iterator[dict[str, Names]]:
    """One that has the zones' keys, and one that takes them for unsigned."""
    need(dns.missing())
    forged = {"forged.test": (ADDRESS, "198.51.100.7")}
    with Names(ZONES, frozenset(ZONES), forged) as validating, Names(ZONES) as trusting:
        yield {"validating": validating, "trusting": trusting}


def told(resolver: Names) -> ResolverFacts:
    settings = Settings(
        hostname="relay.signed.test", data_dir=open_folder(), dns=Dns(servers=(f"127.0.0.1:{resolver.port}",))
    )
    return asyncio.run(names.resolver(names.resolver_of(settings), settings, "signed.test", "forged.test"))


def test_a_resolver_that_validates_is_told_from_one_that_does_not(resolvers: dict[str, Names]) -> None:
    assert told(resolvers["validating"]) == ResolverFacts(None, is_validating=True, is_believed=True)
    assert told(resolvers["trusting"]) == ResolverFacts(None, is_validating=False, is_believed=False)
