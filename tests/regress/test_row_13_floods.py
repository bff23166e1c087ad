"""Row 13: floods and slow peers take no more than their share, and who is known does not notice."""

import asyncio
import resource
import socket
import struct
from pathlib import Path

import pytest

from staffetta.settings.model import AcceptedDomain
from tests.reception_sockets.dialog import Client
from tests.regress.relay import INSIDE, INSIDER, OFFICE, STRANGER, Running, relay, until

RESET = struct.pack("ii", 1, 0)  # SO_LINGER without waiting: close() sends RST
ENVELOPE = f"MAIL FROM:<{INSIDER}>\nRCPT TO:<{INSIDE}>\nDATA\n"
GARBAGE = (b"\0" * 500 + b"\r\n", b"x" * 3000, b"GET / HTTP/1.1\r\n\r\n", ENVELOPE.encode(), b"\xff\r\n" * 40, b"EHLO")


async def sends_a_message(running: Running, source: str = OFFICE) -> None:
    client = await running.connect(source=source)
    assert [answer[:3] for answer in await client.say(ENVELOPE, 3)] == ["250", "250", "354"]
    assert (await client.say("Subject: x\n\nx\n.\n"))[0].startswith("250 2.6.0")
    await client.say("QUIT\n")


async def hostile(running: Running, number: int) -> socket.socket:
    """One of a flood: it drips, resets or sends garbage, and is left alone with that."""
    connection = socket.socket()
    connection.setblocking(False)
    connection.bind((f"127.1.0.{number % 100 + 1}", 0))
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, ("127.0.0.1", running.listener.port))
    try:
        await loop.sock_sendall(connection, b"E" if number % 3 == 0 else GARBAGE[number % len(GARBAGE)])
    except OSError:
        return connection  # it was turned away
    if number % 3 == 1:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.close()
    return connection


def test_row_13_in_a_flood_a_known_device_gets_in_and_afterwards_all_is_as_before() -> None:
    async def main() -> None:
        limits = {"connections_max": 200, "connections_per_address_max": 50}
        async with relay(limits=limits) as running:
            crowd = running.listener.desk.crowd
            flood = [await hostile(running, number) for number in range(600)]
            assert crowd.strangers <= 150
            for _ in range(5):
                await sends_a_message(running)
            assert len(running.spool.recipients) == 5
            for connection in flood:
                connection.close()
            await until(lambda: not running.listener.desk.visitors)
            assert (crowd.strangers, crowd.known, crowd.octets_held, dict(crowd.per_network)) == (0, 0, 0, {})
            await sends_a_message(running)

    asyncio.run(main())


def test_row_13_under_stress_strangers_that_achieve_nothing_leave_and_the_known_stay() -> None:
    async def main() -> None:
        async with relay() as running:
            desk, loop = running.listener.desk, asyncio.get_running_loop()
            idle, device = await running.connect(source=STRANGER), await running.connect()
            desk.sweep(loop.time() + 20)
            assert (await idle.say("NOOP\n"))[0].startswith("250")
            desk.crowd.note_lateness(1.0, loop.time() + 20)
            desk.sweep(loop.time() + 20)
            assert (await idle.rest()).startswith("421 4.4.2")
            assert (await device.say("NOOP\n"))[0].startswith("250")

    asyncio.run(main())


def test_row_13_under_stress_a_stranger_hears_of_one_mistake_and_the_second_is_its_last() -> None:
    async def main() -> None:
        async with relay() as running:
            mistaken, device = await running.connect(source=STRANGER), await running.connect()
            running.listener.desk.crowd.note_lateness(1.0, asyncio.get_running_loop().time())
            assert (await mistaken.say("SUBJECT: x\n"))[0].startswith("500")
            mistaken.send(b"SUBJECT: x\r\n" * 20)
            assert (await mistaken.rest()).startswith("421 4.7.0")
            assert (await device.say("SUBJECT: x\n"))[0].startswith("500")
            assert (await device.say("NOOP\n"))[0].startswith("250")

    asyncio.run(main())


@pytest.mark.parametrize("command", ["NOOP", "RSET", "HELP", "VRFY a", "EHLO x", "HELO x"])
def test_row_13_commands_that_lead_nowhere_keep_no_session_for_ever(command: str) -> None:
    async def main() -> None:
        async with relay(limits={"idle_commands_max": 20}) as running:
            client = await running.connect()
            client.send(f"{command}\r\n".encode() * 40)
            codes = [line[:3] for line in (await client.rest()).splitlines() if line[3] == " "]
            assert codes[-1] == "421" and len(codes) == 21 and len(set(codes)) == 2

    asyncio.run(main())


def test_row_13_empty_chunks_keep_no_session_for_ever() -> None:
    async def main() -> None:
        async with relay(limits={"idle_commands_max": 20}) as running:
            client = await running.connect()
            await client.say(f"MAIL FROM:<{INSIDER}>\nRCPT TO:<{INSIDE}>\n", 2)
            client.send(b"BDAT 0\r\n" * 40)
            assert (await client.rest()).splitlines()[-1].startswith("421 4.7.0")

    asyncio.run(main())


def test_row_13_recipients_far_beyond_the_limit_end_the_session_and_a_few_do_not() -> None:
    """Who pipelines without counting may say as many again; each gets 452 (RFC 5321 §4.5.3.1.10)."""

    async def main() -> None:
        async with relay(limits={"recipients_max": 10, "idle_commands_max": 5}) as running:
            client = await running.connect()
            replies = await client.say(f"MAIL FROM:<{INSIDER}>\n" + f"RCPT TO:<{INSIDE}>\n" * 20 + "DATA\n", 22)
            assert [reply[:3] for reply in replies] == ["250"] * 11 + ["452"] * 10 + ["354"]
            assert (await client.say("x\n.\n"))[0].startswith("250")
            client.send((f"MAIL FROM:<{INSIDER}>\r\n" + f"RCPT TO:<{INSIDE}>\r\n" * 60).encode())
            assert (await client.rest()).splitlines()[-1].startswith("421 4.7.0")

    asyncio.run(main())


def test_row_13_a_session_without_a_message_ends_whatever_it_says() -> None:
    async def main() -> None:
        async with relay() as running:
            client = await running.connect()
            (visitor,) = running.listener.desk.visitors
            serving, now = visitor._serving, asyncio.get_running_loop().time()  # type: ignore[attr-defined]
            assert serving.next_deadline(now) == now + 300
            assert serving.next_deadline(now + 1700) < now + 1801
            await client.say(ENVELOPE, 3)
            await client.say("x\n.\n")
            serving._fruitful_at += 1000
            assert serving.next_deadline(now + 1700) == now + 2000

    asyncio.run(main())


def test_row_13_content_must_come_at_a_least_pace_on_the_whole() -> None:
    """16 KiB just within each deadline would take a large message for weeks."""

    async def main() -> None:
        async with relay() as running:
            client = await running.connect()
            await client.say(ENVELOPE, 3)
            (visitor,) = running.listener.desk.visitors
            serving = visitor._serving  # type: ignore[attr-defined]
            began = serving._content_began_at
            serving._content_octets = 5 * 16_384
            assert serving.next_deadline(began + 5 * 179) < began + 5 * 179
            serving._content_octets = 10_000_000
            assert serving.next_deadline(began + 1000) == began + 1180

    asyncio.run(main())


def test_row_13_memory_for_content_is_bounded_and_strangers_give_way() -> None:
    async def main() -> None:
        async with relay(limits={"octets_held_max": 1_048_576}) as running:
            crowd = running.listener.desk.crowd
            holders = []
            for number in range(8):
                client = await running.connect(source=f"127.0.1.{number + 1}")
                await client.say(ENVELOPE.replace(INSIDER, "a@outside.example"), 3)
                client.send(b"Subject: x\r\n\r\n" + b"y" * 76 + b"\r\n")
                client.send((b"y" * 76 + b"\r\n") * 2500)
                holders.append(client)
            await until(lambda: any(reason == "memory short" for reason in running.reasons))
            assert crowd.octets_held <= 1_048_576
            await sends_a_message(running)
            for client in holders:
                client.writer.transport.abort()
            await until(lambda: crowd.octets_held == 0)

    asyncio.run(main())


def test_row_13_content_in_a_file_is_no_memory() -> None:
    async def main() -> None:
        async with relay(limits={"octets_held_max": 1_048_576, "content_in_memory_octets_max": 100_000}) as running:
            client = await running.connect(source=STRANGER)
            await client.say(ENVELOPE.replace(INSIDER, "a@outside.example"), 3)
            client.send(b"Subject: x\r\n\r\n" + (b"y" * 76 + b"\r\n") * 100_000 + b".\r\n")
            assert (await client.reply()).startswith("250 2.6.0")
            assert running.listener.desk.crowd.octets_held == 0

    asyncio.run(main())


def test_row_12_harvesting_ends_sessions_and_then_the_address() -> None:
    """Unknown recipients are counted over connections; one that exists is still taken."""

    async def main() -> None:
        domains = (AcceptedDomain(name="contoso.test", route="out", recipients=("bob",)),)
        limits = {"unknown_recipients_per_minute_max": 5, "errors_max": 1000}
        async with relay(accepted_domains=domains, limits=limits) as running:
            client = await running.connect(source=STRANGER)
            await client.say("MAIL FROM:<a@outside.example>\n")
            replies = await client.say("".join(f"RCPT TO:<user{n}@contoso.test>\n" for n in range(6)), 6)
            assert [reply[:3] for reply in replies] == ["550"] * 5 + ["421"]
            client = await running.connect(source=STRANGER)
            replies = await client.say(f"MAIL FROM:<a@outside.example>\nRCPT TO:<{INSIDE}>\n", 2)
            assert [reply[:3] for reply in replies] == ["250", "250"]
            assert (await client.say("RCPT TO:<user9@contoso.test>\n"))[0].startswith("421 4.7.0")
            assert "too fast" in running.reasons

    asyncio.run(main())


def test_row_13_an_address_of_many_errors_is_turned_away_and_heard_again_later() -> None:
    async def main() -> None:
        async with relay(limits={"errors_per_minute_max": 10, "errors_max": 1000}) as running:
            client = await running.connect(source=STRANGER)
            client.send(b"NONSENSE\r\n" * 12)
            for _ in range(12):
                await client.reply()
            streams = await asyncio.open_connection("127.0.0.1", running.listener.port, local_addr=(STRANGER, 0))
            assert (await Client(*streams).rest()).startswith("421 4.7.0 Too many errors")
            desk, later = running.listener.desk, asyncio.get_running_loop().time() + 60
            (peer,) = {visitor._address for visitor in desk.visitors}  # type: ignore[attr-defined]
            assert desk.crowd.refusal(peer, desk.get_settings(), later) is None

    asyncio.run(main())


def test_row_13_low_disk_stops_strangers_before_it_stops_devices_and_both_recover() -> None:
    async def main() -> None:
        async with relay() as running:
            outside, device = await running.connect(source=STRANGER), await running.connect()
            running.spool.free_octets_seen = 200_000_000
            assert (await outside.say("MAIL FROM:<a@outside.example>\n"))[0].startswith("452 4.3.1")
            assert (await device.say(f"MAIL FROM:<{INSIDER}> SIZE=1000\n"))[0].startswith("250")
            await device.say("RSET\n")
            (answer,) = await device.say(f"MAIL FROM:<{INSIDER}> SIZE=140000000\n")  # RFC 1870 §6.1
            assert answer.startswith("452 4.3.1")
            running.spool.free_octets_seen = 2**40
            assert (await outside.say("MAIL FROM:<a@outside.example>\n"))[0].startswith("250")
            assert (await device.say(f"MAIL FROM:<{INSIDER}> SIZE=140000000\n"))[0].startswith("250")

    asyncio.run(main())


def test_row_13_a_long_queue_stops_strangers_before_it_stops_devices_and_both_recover() -> None:
    async def main() -> None:
        async with relay(limits={"backlog_recipients_max": 1000}) as running:
            crowd = running.listener.desk.crowd
            clients = [await running.connect(source=source) for source in (STRANGER, OFFICE)]
            for backlog, answers in (
                (499, ["250", "250"]),
                (500, ["452", "250"]),
                (1000, ["452", "452"]),
                (0, ["250"] * 2),
            ):
                crowd.backlog = backlog
                said = [(await client.say("MAIL FROM:<a@outside.example>\n"))[0] for client in clients]
                assert [answer[:3] for answer in said] == answers
                for client in clients:
                    await client.say("RSET\n")

    asyncio.run(main())


def descriptors_open() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) - 1  # without the one that lists them


def test_row_13_without_descriptors_nobody_is_accepted_for_a_moment_and_the_loop_rests() -> None:
    """EMFILE leaves the client in the backlog; it is served when there are descriptors again."""

    async def main() -> None:
        async with relay() as running:
            before = resource.getrlimit(resource.RLIMIT_NOFILE)
            waiting = socket.create_connection(("127.0.0.1", running.listener.port))
            waiting.setblocking(False)
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors_open(), before[1]))
                acceptor = running.listener._acceptor
                await until(lambda: acceptor is not None and acceptor._resting is not None)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, before)
            greeting = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(waiting, 100), 10)
            assert greeting.startswith(b"220 ")
            waiting.close()

    asyncio.run(main())
