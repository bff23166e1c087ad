"""Clients that never stop sending, and a ledger of what was answered 250: the promise that a crash must not break."""

import smtplib
import threading
from collections import Counter
from collections.abc import Iterable

from tests.live.relay import Relay
from tests.live.sink import Arrival, Sink

SENDER = "ada@contoso.test"
RECIPIENT = "bob@outside.example"
PATIENCE_SECONDS = 120  # only a broken relay takes so long; a busy machine takes some of it
LARGE_EVERY = 10  # one message in so many is large enough for a file of its own
LARGE_OCTETS = 600 * 1024
PER_CONNECTION = 5


def content_of(name: str) -> bytes:
    """The content of a message, made from its name alone, so that the far end can be compared."""
    number = int(name.rpartition("-")[2])
    line = f"This is {name} and nothing else.\r\n".encode()
    lines = LARGE_OCTETS // len(line) if number % LARGE_EVERY == LARGE_EVERY - 1 else 3
    return f"From: {SENDER}\r\nMessage-ID: <{name}@contoso.test>\r\nSubject: {name}\r\n\r\n".encode() + line * lines


def name_of(arrival: Arrival) -> str:
    _, _, rest = arrival.content[:8192].partition(b"\r\nMessage-ID: <")
    return rest.partition(b"@")[0].decode()


class Ledger:
    """offered: content was sent, whatever came back; acknowledged: 250 came back. Names, in order."""

    def __init__(self) -> None:
        self.offered: list[str] = []
        self.acknowledged: list[str] = []
        self.refused: list[str] = []  # the reply was 4yz: the promise is that nothing was kept
        self._changed = threading.Condition()

    def offer(self, name: str, client: smtplib.SMTP) -> None:
        """Send one message. Raises OSError where the connection was cut, or the message refused."""
        self.offered.append(name)
        try:
            client.sendmail(SENDER, [RECIPIENT], content_of(name))
        except smtplib.SMTPResponseException as refusal:
            self.refused.append(name)
            raise OSError(refusal.smtp_code, refusal.smtp_error) from None
        except smtplib.SMTPRecipientsRefused as refusal:
            self.refused.append(name)
            raise OSError(*refusal.recipients[RECIPIENT]) from None
        with self._changed:
            self.acknowledged.append(name)
            self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        """Return when `count` more messages have been acknowledged."""
        with self._changed:
            target = len(self.acknowledged) + count
            assert self._changed.wait_for(lambda: len(self.acknowledged) >= target, PATIENCE_SECONDS), (
                f"{len(self.acknowledged)} of {target} acknowledged"
            )


class Clients:
    """`count` threads that send one message after the other to the relay's port, whether it stands or not."""

    def __init__(self, relay: Relay, ledger: Ledger, count: int) -> None:
        self.relay = relay
        self.ledger = ledger
        self.threads = [threading.Thread(target=self._run, args=(number,)) for number in range(count)]
        self._is_over = threading.Event()

    def __enter__(self) -> "Clients":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self.threads:
            thread.join()

    def _run(self, client_number: int) -> None:
        number = 0
        while not self._is_over.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", self.relay.port, local_hostname="c.test", timeout=60) as client:
                    for _ in range(PER_CONNECTION):
                        number += 1
                        self.ledger.offer(f"c{client_number}-{number}", client)
            except OSError:
                self._is_over.wait(0.01)  # the relay is down, or going down


def assert_all_arrived(ledger: Ledger, sink: Sink) -> Counter[str]:
    """Wait for everything that was acknowledged; return how often each message arrived.

    What arrives was offered (no phantom) and is whole. A message whose 250 was lost may arrive; a refused one may not.
    """
    owed = set(ledger.acknowledged)
    arrivals = sink.wait_until(lambda arrivals: owed <= names(arrivals), PATIENCE_SECONDS * 2)
    copies = Counter(map(name_of, arrivals))
    assert copies.keys() <= set(ledger.offered), "phantoms"
    assert not copies.keys() & set(ledger.refused), "refused and yet delivered"
    for arrival in arrivals:
        assert arrival.content.endswith(content_of(name_of(arrival)))
    return copies


def names(arrivals: Iterable[Arrival]) -> set[str]:
    return set(map(name_of, arrivals))


def assert_duplicates_explained(copies: Counter[str], relay: Relay) -> int:
    """Return how many copies were too many; each must stand beside an attempt that the trace calls unknown.

    An attempt is unknown when it was cut between its DATA and the writing down of the reply: nobody can say then
    whether the next hop has the message (RFC 5321 §6.1).
    """
    cut = Counter(
        str(row["message_id"]).strip("<>").partition("@")[0]
        for row in relay.trace("--limit", "1000000")
        for event in _events(row)
        if event["event"] == "Unknown"
    )
    for name, count in copies.items():
        assert count - 1 <= cut[name], f"{name} arrived {count} times, with {cut[name]} attempts cut"
    return sum(copies.values()) - len(copies)


def _events(row: dict[str, object]) -> list[dict[str, object]]:
    events = row["events"]
    assert isinstance(events, list)
    return events
