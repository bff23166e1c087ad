"""What the wired relay tells of its parts."""

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from staffetta.app import Relay
from staffetta.net.tls import self_signed
from staffetta.settings.file import load
from staffetta.spool.spool import DueLine
from staffetta.spool.sqlite import SqliteSpool

FILE = """
hostname = "relay.contoso.test"
data_dir = "var"
"""


def test_readiness_tells_of_a_part_of_the_queue_that_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(spool: SqliteSpool) -> list[DueLine]:
        raise RuntimeError("a bug")

    async def main() -> None:
        file = tmp_path / "settings.toml"
        file.write_text(FILE)
        relay = Relay(load(file), file)
        monkeypatch.setattr(SqliteSpool, "due", broken)
        await relay.start()
        try:
            assert relay.obstacles() == []
            async with asyncio.timeout(10):
                while not (obstacles := relay.obstacles()):  # noqa: ASYNC110  (nothing tells of it)
                    await asyncio.sleep(0)
            assert obstacles == ["queue: the poll failed, and goes on as it can; the log has the error"]
        finally:
            await relay.stop(grace_seconds=1)

    asyncio.run(main())


def test_a_renewed_certificate_is_served_without_restart_or_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        serials = [certificate_in(tmp_path)]
        file = tmp_path / "settings.toml"
        file.write_text(
            FILE + '[[listeners]]\nname = "relay"\naddress = "127.0.0.1:0"\n'
            'certificate = "certificate.pem"\nprivate_key = "certificate.pem"\n'
            'kind = "submission"\nimplicit_tls = true\n'
        )
        monkeypatch.setattr("staffetta.app._CERTIFICATES_SECONDS", 0.0)
        relay = Relay(load(file), file)
        await relay.start()
        try:
            assert await serial_shown(relay) == serials[0]
            serials.append(certificate_in(tmp_path))
            async with asyncio.timeout(10):
                while await serial_shown(relay) != serials[1]:
                    pass
        finally:
            await relay.stop(grace_seconds=1)

    asyncio.run(main())


def certificate_in(folder: Path) -> int:
    """Write one with its key, and return its serial number."""
    pem = b"".join(self_signed("relay.contoso.test", datetime.now(UTC)))
    (folder / "new.pem").write_bytes(pem)
    (folder / "new.pem").rename(folder / "certificate.pem")
    return x509.load_pem_x509_certificate(pem).serial_number


async def serial_shown(relay: Relay) -> int:
    host, _, port = relay.smtp_address.rpartition(":")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return x509.load_der_x509_certificate(shown).serial_number
