"""Real clients: each function hands one message to the server on a port of loopback, or raises.

A client's own limits are in CANNOT, with the reason: those cells of the matrix do not exist.
"""

import asyncio
import json
import os
import shutil
import smtplib
import ssl
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import aiosmtplib

from tests.live.mail import Mail

PATIENCE_SECONDS = 60
NODE_MODULES = Path(os.environ.get("STAFFETTA_NODE_MODULES", "var/peers/node_modules")).absolute()
CANNOT = {
    ("swaks", "smtputf8"): "has no SMTPUTF8",
    ("swaks", "dots"): "takes a last line of one dot for the end of the data",
    ("swaks", "starttls"): "Debian's package does not bring the Perl module that it needs for TLS",
    ("swaks", "dsn"): "has no DSN parameters",
    ("msmtp", "smtputf8"): "has no SMTPUTF8",
    ("curl", "dsn"): "has no DSN parameters",
}
NODE_SCRIPT = """
const [modules, port, path] = process.argv.slice(2);
const nodemailer = require(modules + '/nodemailer');
const mail = JSON.parse(require('fs').readFileSync(path + '.json'));
const transport = nodemailer.createTransport({host: '127.0.0.1', port: +port, requireTLS: mail.tls,
  ignoreTLS: !mail.tls, tls: {rejectUnauthorized: false}, name: 'client.test'});
transport.sendMail({envelope: {from: mail.sender, to: mail.recipients, ...mail.dsn},
  raw: require('fs').readFileSync(path)}).catch(error => { console.error(error.message); process.exitCode = 1; });
"""


def send_with_smtplib(mail: Mail, port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.test", timeout=PATIENCE_SECONDS) as client:
        if mail.is_starttls:
            client.starttls(context=trusting())
        refused = client.sendmail(mail.sender, mail.recipients, mail.content, _mail_options(mail), _rcpt_options(mail))
        assert not refused


def send_with_aiosmtplib(mail: Mail, port: int) -> None:
    asyncio.run(
        aiosmtplib.send(
            mail.content,
            sender=mail.sender,
            recipients=list(mail.recipients),
            hostname="127.0.0.1",
            port=port,
            start_tls=mail.is_starttls,
            tls_context=trusting(),
            mail_options=_mail_options(mail),
            rcpt_options=_rcpt_options(mail),
            timeout=PATIENCE_SECONDS,
        )
    )


def send_with_swaks(mail: Mail, port: int) -> None:
    with written(mail.content.removesuffix(b"\r\n")) as path:  # it adds CRLF, dot, CRLF in any case
        words = ["swaks", "--server", f"127.0.0.1:{port}", "--helo", "client.test", "--from", mail.sender]
        words += ["--to", ",".join(mail.recipients), "--data", f"@{path}", "--silent", "2"]
        _run(words + (["--tls"] if mail.is_starttls else []))


def send_with_msmtp(mail: Mail, port: int) -> None:
    words = ["msmtp", "--host=127.0.0.1", f"--port={port}", f"--from={mail.sender}", "--domain=client.test"]
    words += ["--auth=off", "--file=/dev/null", "--undisclosed-recipients=off"]
    words += ["--tls=on", "--tls-starttls=on", "--tls-certcheck=off"] if mail.is_starttls else ["--tls=off"]
    words += ["--dsn-notify=success,failure", "--dsn-return=headers"] if mail.is_dsn else []
    _run([*words, "--", *mail.recipients], mail.content.replace(b"\r\n", b"\n"))


def send_with_curl(mail: Mail, port: int) -> None:
    with written(mail.content) as path:
        words = ["curl", "--silent", "--show-error", f"smtp://127.0.0.1:{port}/client.test", "--upload-file", str(path)]
        words += ["--mail-from", mail.sender] + [word for to in mail.recipients for word in ("--mail-rcpt", to)]
        _run(words + (["--ssl-reqd", "--insecure"] if mail.is_starttls else []))


def send_with_nodemailer(mail: Mail, port: int) -> None:
    with written(mail.content) as path:
        dsn = {"dsn": {"ret": "HDRS", "notify": ["SUCCESS", "FAILURE"]}} if mail.is_dsn else {}
        facts = {"sender": mail.sender, "recipients": mail.recipients, "tls": mail.is_starttls, "dsn": dsn}
        path.with_name(path.name + ".json").write_text(json.dumps(facts))
        script = path.with_name("send.cjs")
        script.write_text(NODE_SCRIPT)
        _run(["node", str(script), str(NODE_MODULES), str(port), str(path)])


CLIENTS: dict[str, Callable[[Mail, int], None]] = {
    "smtplib": send_with_smtplib,
    "aiosmtplib": send_with_aiosmtplib,
    "swaks": send_with_swaks,
    "msmtp": send_with_msmtp,
    "curl": send_with_curl,
    "nodemailer": send_with_nodemailer,
}


def missing(client: str) -> str | None:
    """Say why this client cannot be used here, or None."""
    if client in ("smtplib", "aiosmtplib"):
        return None
    if client == "nodemailer":
        if not (NODE_MODULES / "nodemailer").is_dir():
            return f"nodemailer is not in {NODE_MODULES} (npm install --prefix var/peers nodemailer)"
        client = "node"
    return None if shutil.which(client) else f"{client} is not installed"


def _mail_options(mail: Mail) -> list[str]:
    options = ["BODY=8BITMIME"] if mail.is_eight_bit else []
    options += ["SMTPUTF8"] if mail.is_smtputf8 else []
    return options + (["RET=HDRS", "ENVID=QQ314159"] if mail.is_dsn else [])


def _rcpt_options(mail: Mail) -> list[str]:
    return ["NOTIFY=SUCCESS,FAILURE"] if mail.is_dsn else []


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class written:
    """A file with these octets, in a folder of its own, for as long as `with` lasts."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets

    def __enter__(self) -> Path:
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "content"
        path.write_bytes(self.octets)
        return path

    def __exit__(self, *_: object) -> None:
        self.folder.cleanup()


def _run(words: list[str], octets: bytes | None = None) -> None:
    done = subprocess.run(words, input=octets, capture_output=True, timeout=PATIENCE_SECONDS)
    assert done.returncode == 0, (words[0], done.returncode, done.stdout[-2000:], done.stderr[-2000:])
