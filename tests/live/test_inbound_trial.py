"""Test-InboundConnector against a relay that runs: what it says is what the listener really answers."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import PFX_PASSWORD, authority, make, pem
from tests.live.relay import PATIENCE_SECONDS, Relay
from tests.live.sink import EVERYTHING, Sink

pytestmark = pytest.mark.live

ROOT = authority("Contoso CA")
CLIENT = make("relay.contoso.test", issuer=ROOT)
OTHER = make("other.test", issuer=ROOT)
CONNECTORS = """
[[inbound_connectors]]
name = "By address"
sender_ip_addresses = ["127.0.0.5", "192.0.2.7"]

[[inbound_connectors]]
name = "By certificate"
require_tls = true
tls_sender_certificate_name = "relay.contoso.test"
trusted_authority = "contoso"

[[trusted_authorities]]
name = "contoso"
certificates = "contoso.pem"
"""


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    folder = tmp_path_factory.mktemp("relay")
    (folder / "contoso.pem").write_bytes(pem(ROOT.certificate))
    CLIENT.write(folder / "client")
    OTHER.write(folder / "other")
    (folder / "password").write_text(PFX_PASSWORD + "\n")
    with Sink(*EVERYTHING) as sink:
        relay = Relay(folder, sink.port, connectors=CONNECTORS).start()
        yield relay
        relay.kill()
        assert sink.arrivals == []


def outcome(relay: Relay, *arguments: str, status: int) -> tuple[dict[str, object], str]:
    """What `staffetta connector test --json` says, and its warnings."""
    answer = subprocess.run(
        [sys.executable, "-m", "staffetta", "connector", "test", *arguments, "--config", str(relay.config), "--json"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert answer.returncode == status, answer.stderr
    return json.loads(answer.stdout), answer.stderr


def with_pfx(relay: Relay, who: str = "client") -> tuple[str, ...]:
    folder = relay.folder
    return ("--certificate", f"{folder / who / 'client.pfx'}", "--certificate-password-file", f"{folder / 'password'}")


def test_an_address_of_this_machine_is_really_connected_from(relay: Relay) -> None:
    row, warnings = outcome(relay, "By address", "--ip", "127.0.0.5", status=0)
    assert row["IsMatched"] and row["Accepted"] and str(row["Reply"]).startswith("250 2.1.5")
    assert row["Source"] == "127.0.0.5 (really from there)"
    assert " C RSET" in str(row["Transcript"]) and " C DATA" not in str(row["Transcript"])
    assert warnings == ""


def test_another_address_is_refused_really_and_by_reckoning(relay: Relay) -> None:
    row, warnings = outcome(relay, "By address", "--ip", "127.0.0.6", status=1)
    assert not row["IsMatched"] and not row["Accepted"]
    assert str(row["Reply"]).startswith("550 5.7.54") == str(row["ReckonedReply"]).startswith("550 5.7.54")
    assert row["Changes"] and row["Connectors"]
    assert warnings == ""


def test_an_address_elsewhere_is_reckoned_and_said_so(relay: Relay) -> None:
    row, warnings = outcome(relay, "By address", "--ip", "192.0.2.7", status=0)
    assert row["Source"] == "192.0.2.7 (reckoned)"
    assert "This machine does not have the address 192.0.2.7" in warnings


def test_a_certificate_out_of_a_pfx_is_shown_and_judged(relay: Relay) -> None:
    row, warnings = outcome(relay, "By certificate", *with_pfx(relay), status=0)
    assert row["IsCertificateWanted"] and row["MatchedConnector"] == "By certificate"
    assert "and we show ours" in str(row["Transcript"])
    assert str(row["Reply"]).startswith("250")
    assert warnings == ""


def test_a_certificate_of_another_name_matches_nothing(relay: Relay) -> None:
    row, _ = outcome(relay, "By certificate", *with_pfx(relay, "other"), status=1)
    assert row["MatchedConnector"] is None and str(row["Reply"]).startswith("5")


def test_the_other_connector_is_named_where_it_is_the_one(relay: Relay) -> None:
    row, _ = outcome(relay, "By certificate", "--ip", "127.0.0.5", status=1)
    assert row["MatchedConnector"] == "By address"


def test_the_story_is_for_people(relay: Relay) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "staffetta", "connector", "test", "By address", "--config", str(relay.config)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert answer.returncode == 1
    assert "The client is of no connector; By address does not match." in answer.stdout
    assert "What to change, if the mail should come in:" in answer.stdout


def test_without_a_relay_everything_is_reckoned(tmp_path: Path) -> None:
    idle = Relay(tmp_path, 9, connectors=CONNECTORS.replace("contoso.pem", "certificate.pem"))
    row, warnings = outcome(idle, "By address", "--ip", "127.0.0.5", status=0)
    assert row["Reply"] is None and row["Accepted"]
    assert "The session did not come to RCPT: cannot connect" in warnings
