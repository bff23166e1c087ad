"""A rehearsal of Microsoft 365 on this machine: `python -m tests.fakes`.

Runs the token endpoint, Graph, and the SMTP front door for submission and for relay; prints settings for a relay that
sends to them, and every message that arrives. Nothing leaves the machine.
"""

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from staffetta.net.tls import ServerContext, self_signed
from tests.fakes.entra import GRAPH, OUTLOOK, Application, TokenEndpoint
from tests.fakes.front_door import Connector, FrontDoor
from tests.fakes.graph import Graph

SECRET = "rehearsal"
MAILBOX = "scanner@contoso.com"

SETTINGS = """\
# For a relay that rehearses; start it with REHEARSAL_SECRET={secret} in its environment.
[[token_sources]]
name = "rehearsal-graph"
token_endpoint = "{token}"
client_id = "{client}"
client_secret = "${{REHEARSAL_SECRET}}"
scope = "{graph_scope}/.default"

[[token_sources]]
name = "rehearsal-smtp"
token_endpoint = "{token}"
client_id = "{client}"
client_secret = "${{REHEARSAL_SECRET}}"
scope = "{smtp_scope}/.default"

[[routes]]
name = "graph"
transport = "graph"
token_source = "rehearsal-graph"
graph_endpoint = "{graph}"
graph_mailbox = "{mailbox}"

[[routes]]
name = "submission"
next_hops = [{{ host = "127.0.0.1", port = {submission} }}]
tls = "required"
authentication = {{ mechanism = "xoauth2", user_name = "{mailbox}", token_source = "rehearsal-smtp" }}

[[routes]]
name = "relay"
next_hops = [{{ host = "127.0.0.1", port = {relay} }}]
tls = "required"
"""


async def rehearse() -> None:
    certificate, key = self_signed("localhost", datetime.now(UTC))
    context = ServerContext.load(certificate, key)
    application = Application(client_id="00000000-0000-0000-0000-00000000cafe", secrets={SECRET})
    tokens = TokenEndpoint([application])
    graph = Graph(tokens, mailboxes={MAILBOX})
    submission = FrontDoor(context, tokens=tokens, send_as={MAILBOX: set()})
    relay = FrontDoor(context, connectors=[Connector(addresses=("127.0.0.0/8",))])
    async with contextlib.AsyncExitStack() as stack:
        for part in (tokens, graph, submission, relay):
            await stack.enter_async_context(part.listening())
        print(
            SETTINGS.format(
                secret=SECRET,
                token=tokens.url,
                client=application.client_id,
                graph_scope=GRAPH,
                smtp_scope=OUTLOOK,
                graph=graph.url,
                mailbox=MAILBOX,
                submission=submission.port,
                relay=relay.port,
            ),
            flush=True,
        )
        await report(graph, (submission, relay))


async def report(graph: Graph, doors: Sequence[FrontDoor]) -> None:
    """Print what arrives, until interrupted."""
    while True:
        for sent in graph.sent:
            print(f"graph: {sent.mailbox} to {', '.join(sent.recipients)}: {sent.message['Subject']}", flush=True)
        graph.sent.clear()
        for door in doors:
            for got in door.received:
                road = "submission" if door.is_submission else "relay"
                print(f"{road}: {got.mail} to {', '.join(got.recipients)}, {len(got.content)} octets", flush=True)
            door.received.clear()
        await asyncio.sleep(0.5)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(asyncio.run(rehearse()))
