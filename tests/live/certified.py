"""Real clients with a certificate: each offers one message in a session of its own, and says whether it was accepted.

A refusal comes back as the server's words, as far as the client shows them; anything else that goes wrong raises.
"""

import json
import re
import smtplib
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.certificates import PFX_PASSWORD
from tests.live.clients import NODE_MODULES, PATIENCE_SECONDS
from tests.live.mail import Mail
from tests.live.postfix import Postfix

TLS_VERSIONS = ("1.2", "1.3")
NODE_SCRIPT = """
const [modules, port, folder, password, version] = process.argv.slice(2);
const nodemailer = require(modules + '/nodemailer');
const fs = require('fs');
const mail = JSON.parse(fs.readFileSync(folder + '/mail.json'));
const transport = nodemailer.createTransport({host: '127.0.0.1', port: +port, requireTLS: true, name: 'client.test',
  tls: {rejectUnauthorized: false, pfx: fs.readFileSync(folder + '/client.pfx'), passphrase: password,
    minVersion: 'TLSv' + version, maxVersion: 'TLSv' + version}});
transport.sendMail({envelope: {from: mail.sender, to: mail.recipients}, raw: mail.content})
  .catch(error => { console.error(error.message); process.exitCode = 1; });
"""

Folder = Path
"""Holds certificate.pem, chain.pem where there is one, key.pem and client.pfx."""


def offer_by_smtplib(mail: Mail, folder: Folder | None, port: int, version: str) -> str | None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    number = ssl.TLSVersion.TLSv1_2 if version == "1.2" else ssl.TLSVersion.TLSv1_3
    context.minimum_version = context.maximum_version = number
    if folder is not None:
        context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.test", timeout=PATIENCE_SECONDS) as client:
        client.starttls(context=context)
        try:
            client.sendmail(mail.sender, mail.recipients, mail.content)
        except smtplib.SMTPRecipientsRefused as refused:
            ((code, text),) = refused.recipients.values()
            return f"{code} {text.decode()}"
    return None


def offer_by_openssl(mail: Mail, folder: Folder | None, port: int, version: str) -> str | None:
    """The way of every howto. It knows no SMTP after STARTTLS, so the dialog is ours; DATA would have to wait."""
    content = mail.content.decode().splitlines()
    lines = ["EHLO client.test", f"MAIL FROM:<{mail.sender}>", *(f"RCPT TO:<{to}>" for to in mail.recipients)]
    lines += [f"BDAT {sum(len(line.encode()) + 2 for line in content)} LAST", *content, "QUIT", ""]
    shown = _openssl(folder, port, version, "\n".join(lines))
    refusals = [line for line in shown.splitlines() if line.startswith("550 ")]
    if refusals:
        return refusals[0]
    assert "250 2.6.0" in shown, shown
    return None


def is_certificate_requested(port: int, version: str) -> bool:
    """Whether the server's part of the handshake holds a CertificateRequest."""
    return "CertificateRequest" in _openssl(None, port, version, "QUIT\n", "-msg")


def offer_by_swaks(mail: Mail, folder: Folder | None, port: int, version: str) -> str | None:
    words = ["swaks", "--server", f"127.0.0.1:{port}", "--helo", "client.test", "--from", mail.sender]
    words += ["--to", ",".join(mail.recipients), "--data", "-", "--tls"]
    words += ["--tls-protocol", "tlsv" + version.replace(".", "_")]
    words += ["--tls-cert", f"{folder}/certificate.pem", "--tls-key", f"{folder}/key.pem"] if folder else []
    done = _run(words, mail.content.removesuffix(b"\r\n"))
    return _refusal(done, 24)


def offer_by_curl(mail: Mail, folder: Folder | None, port: int, version: str) -> str | None:
    words = ["curl", "--verbose", f"smtp://127.0.0.1:{port}/client.test", "--upload-file", "-", "--ssl-reqd"]
    words += ["--insecure", f"--tlsv{version}", "--tls-max", version, "--mail-from", mail.sender]
    words += [word for to in mail.recipients for word in ("--mail-rcpt", to)]
    words += ["--cert", f"{folder}/certificate.pem", "--key", f"{folder}/key.pem"] if folder else []
    done = _run(words, mail.content)
    return _refusal(done, 55)


def offer_by_nodemailer(mail: Mail, folder: Folder | None, port: int, version: str) -> str | None:
    """With the PFX; without a certificate it is not asked."""
    assert folder is not None
    facts = {"sender": mail.sender, "recipients": mail.recipients, "content": mail.content.decode()}
    (folder / "mail.json").write_text(json.dumps(facts))
    (folder / "send.cjs").write_text(NODE_SCRIPT)
    done = _run(["node", f"{folder}/send.cjs", str(NODE_MODULES), str(port), str(folder), PFX_PASSWORD, version])
    return _refusal(done, 1)


def offer_by_postfix(mail: Mail, folder: Folder | None, port: int, version: str) -> str | None:
    more = f"smtp_tls_security_level = encrypt\nsmtp_tls_mandatory_protocols = >=TLSv{version}, <=TLSv{version}\n"
    more += f"smtp_tls_cert_file = {folder}/certificate.pem\nsmtp_tls_key_file = {folder}/key.pem\n" if folder else ""
    with Postfix(port, more) as postfix:
        with smtplib.SMTP("127.0.0.1", postfix.port, timeout=PATIENCE_SECONDS) as client:
            client.sendmail(mail.sender, mail.recipients, mail.content)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (results := [line for line in postfix.log.splitlines() if " status=" in line]):
            assert time.monotonic() < deadline, postfix.log
            time.sleep(0.05)
        if " status=sent " in results[0]:
            return None
        assert " said: 550 " in results[0], postfix.log
        return results[0].partition(" said: ")[2]


OFFERS: dict[str, Callable[[Mail, Folder | None, int, str], str | None]] = {
    "smtplib": offer_by_smtplib,
    "openssl": offer_by_openssl,
    "swaks": offer_by_swaks,
    "curl": offer_by_curl,
    "nodemailer": offer_by_nodemailer,
    "postfix": offer_by_postfix,
}


def _openssl(folder: Folder | None, port: int, version: str, lines: str, *more: str) -> str:
    # -quiet: without it a line that begins with R, such as RCPT, asks for renegotiation.
    words = ["openssl", "s_client", "-starttls", "smtp", "-connect", f"127.0.0.1:{port}", "-quiet", "-crlf"]
    words += [f"-tls{version.replace('.', '_')}", *more]
    if folder is not None:
        words += ["-cert", f"{folder}/certificate.pem", "-key", f"{folder}/key.pem"]
        words += ["-cert_chain", f"{folder}/chain.pem"] if (folder / "chain.pem").exists() else []
    done = _run(words, lines.encode())
    return done.stdout.decode() + done.stderr.decode()


def _refusal(done: "subprocess.CompletedProcess[bytes]", refused_status: int) -> str | None:
    """Return the refusal that a client shows; None where it was content."""
    if done.returncode == 0:
        return None
    said = (done.stdout + done.stderr).decode(errors="replace")
    shown = re.search(r"550 5\..*", said)
    assert done.returncode == refused_status and shown, (done.args[0], done.returncode, said[-2000:])
    return shown.group()


def _run(words: list[str], octets: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(words, input=octets, capture_output=True, timeout=PATIENCE_SECONDS)
