"""The road is chosen by what the message is at its end, not by what was said of it before."""

import pytest

from staffetta.settings.roads import Route, RouteRule, Transport
from tests.reception_sockets.dialog import listening, run

ROADS = {
    "routes": (Route(name="out"), Route(name="archive"), Route(name="direct", transport=Transport.MX)),
    "route_rules": (
        RouteRule(name="large", route="archive", octets_min=500),
        RouteRule(name="friends", route="direct", recipient_domains=("example.org",)),
    ),
}


@pytest.mark.parametrize("declared", ["", " SIZE=10", " SIZE=5000"])
@pytest.mark.parametrize(
    ("lines", "roads"),
    [
        (1, [("out", "out"), ("direct", "example.org")]),
        (100, [("archive", "archive"), ("archive", "archive")]),
    ],
    ids=["small", "large"],
)
def test_the_size_that_counts_is_the_true_one(declared: str, lines: int, roads: list[tuple[str, str]]) -> None:
    async def main() -> None:
        async with listening(changed=ROADS) as bench:
            client = await bench.greeted()
            to = "RCPT TO:<b@contoso.test>\nRCPT TO:<c@example.org>\n"
            await client.say(f"MAIL FROM:<a@contoso.test>{declared}\n{to}DATA\n", 4)
            assert (await client.say("\n" + "hello\n" * lines + ".\n"))[0].startswith("250 2.6.0 ")
            (message,) = bench.messages
            assert [(each.route, each.destination) for each in message.recipients] == roads

    run(main)
