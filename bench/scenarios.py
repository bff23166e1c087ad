"""What is measured, by name."""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from bench.far_end import FarEnd
from bench.load import Load, Sent, send
from bench.report import Measurement
from bench.servers import DebianPostfix, OurRelay, cpu_seconds, memory_octets

PATIENCE_SECONDS = 300
SETTLE_SECONDS = 0.5  # what is written after the last reply of the sink costs CPU as well
MIB = 1024 * 1024
QUEUED = 100_000
IDLE_SESSIONS = 10_000
IDLE_SESSIONS_POSTFIX = 150  # a process each, and default_process_limit is 200


@dataclass(frozen=True, slots=True)
class Bench:
    server: OurRelay | DebianPostfix
    sink: FarEnd


@dataclass(frozen=True, slots=True)
class Scenario:
    measure: Callable[[Bench, str], Measurement]
    is_long: bool = False


def warm_up(bench: Bench) -> None:
    through(bench, Load(messages=500))


def through(bench: Bench, load: Load) -> tuple[Sent, float, float]:
    """Send, wait until all of it is at the sink, and return what was sent, the seconds it took, and CPU seconds."""
    server, sink = bench.server, bench.sink
    sink.reset()
    before = cpu_seconds(server.pid)
    sent = send(load, server.port)
    if sent.refused:
        raise RuntimeError(f"{server.name} refused {sent.refused} messages")
    sink.wait_for(sent.acknowledged * load.recipients, PATIENCE_SECONDS)
    time.sleep(SETTLE_SECONDS)
    _check_count(bench, sent.acknowledged * load.recipients)
    return sent, sink.last_at - sent.started_at, cpu_seconds(server.pid) - before


def _check_count(bench: Bench, deliveries: int) -> None:
    if bench.sink.deliveries != deliveries:
        raise RuntimeError(f"{bench.server.name}: {bench.sink.deliveries} deliveries for {deliveries} acknowledged")


def _relayed(load: Load, unit: str = "msgs/s", per_message: float = 1) -> Scenario:
    """Accepted, carried and delivered. per_message: how much of `unit` one message is."""

    def measure(bench: Bench, name: str) -> Measurement:
        sent, seconds, cpu = through(bench, load)
        return Measurement(
            scenario=name,
            server=bench.server.name,
            value=sent.acknowledged * per_message / seconds,
            unit=unit,
            messages=sent.acknowledged,
            cpu_us=cpu / sent.acknowledged * 1e6,
            p50_ms=sent.latency_ms(0.5),
            p99_ms=sent.latency_ms(0.99),
        )

    return Scenario(measure)


def _accept_only(bench: Bench, name: str) -> Measurement:
    """The sink is held back while mail comes in; afterwards all of it must arrive."""
    server, sink = bench.server, bench.sink
    sink.reset()
    sink.hold(is_held=True)
    before = cpu_seconds(server.pid)
    sent = send(Load(seconds=4), server.port)
    seconds = time.monotonic() - sent.started_at
    cpu = cpu_seconds(server.pid) - before
    sink.hold(is_held=False)
    sink.wait_for(sent.acknowledged, PATIENCE_SECONDS)
    _check_count(bench, sent.acknowledged)
    return Measurement(
        scenario=name,
        server=server.name,
        value=sent.acknowledged / seconds,
        unit="msgs/s",
        messages=sent.acknowledged,
        cpu_us=cpu / sent.acknowledged * 1e6,
        p50_ms=sent.latency_ms(0.5),
        p99_ms=sent.latency_ms(0.99),
    )


def _idle(bench: Bench, name: str) -> Measurement:
    """Memory per session that has been greeted and says nothing."""
    count = IDLE_SESSIONS if isinstance(bench.server, OurRelay) else IDLE_SESSIONS_POSTFIX
    before = memory_octets(bench.server.pid)
    connections = []
    for number in range(count):
        # Many source addresses, so that no limit per address and no shortage of ports is met.
        source = (f"127.0.{number // 250 % 250}.{number % 250 + 1}", 0)
        connection = socket.create_connection(("127.0.0.1", bench.server.port), 30, source)
        connection.sendall(b"EHLO idle.test\r\n")
        connections.append(connection)
    for connection in connections:
        while b"250 " not in connection.recv(4096):
            pass
    grown = memory_octets(bench.server.pid) - before
    for connection in connections:
        connection.close()
    return Measurement(
        scenario=name,
        server=bench.server.name,
        value=grown / count / 1024,
        unit="KiB per session",
        is_rate=False,
        messages=count,
    )


def _restart(bench: Bench, name: str) -> Measurement:
    """Queue many while the sink is held back, stop, start: seconds to the first delivery, and the drain's rate."""
    server, sink = bench.server, bench.sink
    sink.reset()
    sink.hold(is_held=True)
    sent = send(Load(messages=QUEUED), server.port)
    server.stop()
    sink.reset()
    sink.hold(is_held=False)
    started = time.monotonic()
    server.start()
    sink.wait_for(sent.acknowledged, PATIENCE_SECONDS)
    print(f"  {server.name}: drained at {sent.acknowledged / (sink.last_at - sink.first_at):,.0f} msgs/s")
    return Measurement(
        scenario=name,
        server=server.name,
        value=sink.first_at - started,
        unit="s to first delivery",
        is_rate=False,
        messages=sent.acknowledged,
        cpu_us=cpu_seconds(server.pid) / sent.acknowledged * 1e6,
    )


SMALL = Load()
SCENARIOS = {
    "idle-sessions": Scenario(_idle),  # first: later on, memory that is free again would hide what a session takes
    "one-per-connection": _relayed(replace(SMALL, per_connection=1)),
    "small-reuse": _relayed(SMALL),
    "one-mib": _relayed(replace(SMALL, octets=MIB), unit="MiB/s"),
    "twenty-recipients": _relayed(replace(SMALL, recipients=20), unit="deliveries/s", per_message=20),
    "accept-only": Scenario(_accept_only),
    "restart-100k": Scenario(_restart, is_long=True),
}
