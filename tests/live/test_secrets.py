"""Secrets planted wherever there is a place for one stand in nothing that the relay writes or says."""

import base64
import os
import smtplib
import subprocess
import sys
import time
from pathlib import Path

import pytest

from staffetta.directory.administrators import add_administrator
from staffetta.directory.store import Author
from staffetta.operations.local import local_office
from staffetta.settings.passwords import hash_password
from tests.live.logging_in import trusting
from tests.live.relay import PATIENCE_SECONDS, Relay
from tests.live.sink import EVERYTHING, Sink
from tests.ports import free_port

pytestmark = pytest.mark.live

USER = "scanner@contoso.test"
CONTENT = "canary-content-4711"
CODES = "CANARYCANARYCANARYCANARYCANARYCA"  # secret of a code app, in base32
RIGHT, WRONG, OUT, IN_ENVIRONMENT = "canary-right-4711", "canary-wrong-4711", "canary-out-4711", "canary-variable-4711"
MORE = """
[log]
level = "debug"

[[listeners]]
name = "submission"
kind = "submission"
address = "127.0.0.1:{submission}"

[[accounts]]
user_name = "{user}"
password_hashes = ["{hashed}"]

[[routes]]
name = "smarthost"
next_hops = [{{ host = "127.0.0.1", port = {sink} }}]
tls = "required"
authentication = {{ user_name = "relay", password = "file:{file}" }}

[[routes]]
name = "other"
next_hops = [{{ host = "127.0.0.1", port = {sink} }}]
tls = "required"
authentication = {{ user_name = "relay", password = "${{STAFFETTA_TEST_CANARY}}" }}
"""
COMMANDS = (
    ("trace", "--json"),
    ("refusals", "--json"),
    ("queue", "list", "--json"),
    ("route", "list", "--json"),
    ("account", "list", "--json"),
    ("audit", "list", "--json"),
    ("config", "export"),
    ("config", "export", "--secrets"),
    ("doctor", "--json"),
    ("spool", "check"),
    ("administrator", "list", "--json"),
    ("secrets", "show"),
)


def spellings(secret: str) -> set[bytes]:
    """A secret in clear and as SMTP carries it."""
    plain = {secret, f"\0{USER}\0{secret}", "\0relay\0" + secret}
    return {secret.encode()} | {base64.b64encode(each.encode()) for each in plain}


def test_no_secret_stands_in_what_the_relay_writes_or_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAFFETTA_TEST_CANARY", IN_ENVIRONMENT)
    planted = tmp_path / "smarthost.secret"
    planted.write_text(OUT)
    submission = free_port()
    with Sink(*EVERYTHING, "AUTH PLAIN LOGIN") as sink:
        more = MORE.format(submission=submission, user=USER, hashed=hash_password(RIGHT), sink=sink.port, file=planted)
        relay = Relay(tmp_path, sink.port, more=more)
        settings = relay.config.read_text()
        relay.config.write_text(settings.replace('default_route = "next"', 'default_route = "smarthost"'))
        _plant_code_app(relay)
        with relay:
            for mechanism in ("PLAIN", "LOGIN"):
                _log_in(submission, mechanism, WRONG, is_right=False)
            _log_in(submission, "PLAIN", RIGHT, is_right=True)
            deadline = time.monotonic() + PATIENCE_SECONDS
            while "Defer" not in str(rows := relay.trace()):  # the smarthost refuses the login
                assert time.monotonic() < deadline, rows
            said = b"".join(_said(relay, command) for command in (*COMMANDS, ("backup", str(tmp_path / "backup.tar"))))
        written = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    key = (tmp_path / "key.pem").read_bytes().splitlines()[1]
    sealing = written.pop(tmp_path / "secrets.key").strip()
    del written[planted], written[tmp_path / "key.pem"]
    assert CODES.encode() in written.pop(tmp_path / "as-before.db")
    assert tmp_path / "backup.tar" in written
    assert any(path.name == "spool.db" for path in written) and said
    for secret in (RIGHT, WRONG, OUT, IN_ENVIRONMENT, CODES, sealing.decode()):
        for spelling in spellings(secret):
            assert [path for path, octets in written.items() if spelling in octets] == [], secret
            assert spelling not in said, secret
    in_spool = {path for path, octets in written.items() if CONTENT.encode() in octets}
    assert {path.name for path in in_spool} <= {"spool.db", "spool.db-wal", "backup.tar"}
    assert CONTENT.encode() not in said
    assert key not in said and [path for path, octets in written.items() if key in octets] == []


def _plant_code_app(relay: Relay) -> None:
    """As a version kept it that did not seal; as-before.db is a copy of that."""
    with local_office(relay.config, "cli") as office:
        with office.directory.change(office.settings, Author("test", "cli", "test")) as change:
            add_administrator(change, "ada", password_hash=None)
            change.connection.execute(
                "INSERT INTO code_app (administrator, secret, last_step) SELECT number, ?, 0 FROM administrator",
                (CODES,),
            )
        data = office.settings.data_dir
    (relay.folder / "as-before.db").write_bytes((data / "directory.sqlite").read_bytes())


def _log_in(port: int, mechanism: str, password: str, *, is_right: bool) -> None:
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.test", timeout=20) as client:
        client.starttls(context=trusting())
        client.ehlo()
        client.user, client.password = USER, password
        attempt = client.auth_plain if mechanism == "PLAIN" else client.auth_login
        if not is_right:
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.auth(mechanism, attempt, initial_response_ok=mechanism == "PLAIN")
            return
        client.auth(mechanism, attempt)
        content = f"From: {USER}\r\nTo: bob@outside.example\r\nSubject: x\r\n\r\n{CONTENT}\r\n"
        client.sendmail(USER, ["bob@outside.example"], content)


def _said(relay: Relay, command: tuple[str, ...]) -> bytes:
    words = [sys.executable, "-m", "staffetta", *command, "--config", str(relay.config)]
    done = subprocess.run(words, capture_output=True, timeout=60, env=dict(os.environ))
    assert done.returncode in (0, 1, 2), (command, done.stdout, done.stderr)
    return done.stdout + done.stderr
