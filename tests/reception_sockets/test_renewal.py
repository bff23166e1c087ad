"""A listener's certificate is renewed while it serves."""

import ssl
from pathlib import Path

import pytest
import trustme

from tests.reception_sockets.dialog import Bench, Client, listening, run


def issue(authority: trustme.CA, folder: Path) -> trustme.LeafCert:
    """Write certificate and key, and return them."""
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    return issued


def declared(folder: Path) -> dict[str, Path]:
    return {"certificate": folder / "certificate.pem", "private_key": folder / "key.pem"}


async def in_tls(bench: Bench, authority: trustme.CA) -> tuple[Client, bytes]:
    """A client after STARTTLS, and the certificate that it was shown."""
    client = await bench.greeted()
    await client.say("STARTTLS\n")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    await client.writer.start_tls(context, server_hostname="127.0.0.1")
    return client, client.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)


def der(issued: trustme.LeafCert) -> bytes:
    return ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())


def test_sessions_after_a_renewal_see_the_new_certificate_and_those_before_go_on(tmp_path: Path) -> None:
    async def main() -> None:
        authority = trustme.CA()
        first = issue(authority, tmp_path)
        async with listening(declared=declared(tmp_path)) as bench:
            client, shown = await in_tls(bench, authority)
            assert shown == der(first)
            second = issue(authority, tmp_path)
            assert bench.listener.renew(only_changed=True)
            assert (await in_tls(bench, authority))[1] == der(second)
            assert (await client.say("EHLO client.example\n"))[0].startswith("250 ")
            assert not bench.listener.renew(only_changed=True)
            assert bench.listener.renew(only_changed=False)

    run(main)


def test_half_a_renewal_leaves_the_certificate_before(tmp_path: Path) -> None:
    async def main() -> None:
        authority = trustme.CA()
        first = issue(authority, tmp_path)
        async with listening(declared=declared(tmp_path)) as bench:
            second = authority.issue_cert("127.0.0.1")
            second.cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
            with pytest.raises(ValueError, match="private key cannot be used"):
                bench.listener.renew(only_changed=True)
            assert not bench.listener.renew(only_changed=True)  # said once
            assert (await in_tls(bench, authority))[1] == der(first)
            second.private_key_pem.write_to_path(tmp_path / "key.pem")
            assert bench.listener.renew(only_changed=True)
            assert (await in_tls(bench, authority))[1] == der(second)

    run(main)
