"""What the tests of this folder share: settings, consignments, and attempts whose announcements are kept."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from staffetta.delivery.courier import Couriers
from staffetta.mail.address import parse_mailbox
from staffetta.mail.consignment import Consignment
from staffetta.mail.content import Content, MemoryContent
from staffetta.mail.envelope import BodyType, Envelope, Recipient
from staffetta.mail.outcome import Contact, Outcome
from staffetta.settings.model import Delivery, Settings
from staffetta.settings.roads import NextHop, Route, TlsLevel, Transport
from tests.delivery_sockets.fake_hop import FakeHop

SHORT_SECONDS = 0.2  # a timeout that a test has to wait for
CONTENT = b"Subject: hello\r\n\r\nA line.\r\n.A dot.\r\n"

Result = TypeVar("Result")


new_event_loop = asyncio.new_event_loop  # conftest.py puts each kind here


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(asyncio.wait_for(coroutine, 20))


def settings_for(
    *hops: FakeHop | int,
    tls: TlsLevel = TlsLevel.OPPORTUNISTIC,
    transport: Transport = Transport.SMTP,
    reply_timeout_seconds: float = 5,
    idle_connection_seconds: float = 5,
    messages_per_connection_max: int = 1000,
    path: Path | None = None,
    others: dict[str, Any] | None = None,
    **route_keys: Any,
) -> Settings:
    """route_keys: further keys of the route. others: further keys of the settings."""
    addresses = [(hop.path, hop.port) if isinstance(hop, FakeHop) else ("", hop) for hop in hops]
    route = Route(
        name="out",
        transport=transport,
        next_hops=tuple(
            NextHop(host=path or route_keys.pop("host", "127.0.0.1"), port=port, priority=at)
            for at, (path, port) in enumerate(addresses)
        ),
        tls=tls,
        path=path,
        **route_keys,
    )
    delivery = Delivery(
        connect_timeout_seconds=2,
        reply_timeout_seconds=reply_timeout_seconds,
        idle_connection_seconds=idle_connection_seconds,
        messages_per_connection_max=messages_per_connection_max,
    )
    return Settings(
        hostname="relay.example", data_dir=Path("var"), routes=(route,), delivery=delivery, **(others or {})
    )


def consignment(
    *recipients: str | Recipient,
    content: Content | bytes = CONTENT,
    reverse_path: str | None = "author@contoso.test",
    queue_id: str = "0000000000001",
    **envelope: Any,
) -> Consignment:
    return Consignment(
        queue_id=queue_id,
        route="out",
        destination="out",
        envelope=Envelope(
            parse_mailbox(reverse_path) if reverse_path else None,
            tuple(
                recipient if isinstance(recipient, Recipient) else Recipient(parse_mailbox(recipient))
                for recipient in recipients or ("friend@example.org",)
            ),
            body=envelope.pop("body", BodyType.SEVEN_BIT),
            **envelope,
        ),
        content=MemoryContent(content) if isinstance(content, bytes) else content,
        connector=None,
    )


@dataclass
class Sender:
    """Couriers under test. contacts: next hops for which the attempt was written down, in order."""

    settings: Settings
    contacts: list[Contact] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.couriers = Couriers(lambda: self.settings)

    @property
    def announced(self) -> list[str]:
        """The names of those."""
        return [contact.host for contact in self.contacts]

    async def send(self, what: Consignment | None = None) -> Sequence[Outcome]:
        async def before_data(contact: Contact) -> None:
            self.contacts.append(contact)

        return await self.couriers(what or consignment(), before_data)

    async def send_and_close(self, what: Consignment | None = None) -> Sequence[Outcome]:
        try:
            return await self.send(what)
        finally:
            await self.couriers.close()
