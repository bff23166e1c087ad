"""Real clients that log in: each hands one message over as a user, or raises with what it has to say.

A client's own limits are in MECHANISMS: what is not listed for it, it cannot, or cannot be told to use.
"""

import asyncio
import json
import smtplib
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

import aiosmtplib

from tests.live.clients import NODE_MODULES, PATIENCE_SECONDS, trusting, written
from tests.live.mail import Mail

XOAUTH2 = "XOAUTH2"
MECHANISMS = {
    "smtplib": ("PLAIN", "LOGIN", XOAUTH2),
    "aiosmtplib": ("PLAIN",),  # it chooses by itself
    "swaks": ("PLAIN", "LOGIN"),
    "msmtp": ("PLAIN", "LOGIN", XOAUTH2),
    "curl": ("PLAIN", "LOGIN", XOAUTH2),
    "nodemailer": ("PLAIN", "LOGIN", XOAUTH2),
}
NODE_SCRIPT = """
const [modules, path] = process.argv.slice(2);
const nodemailer = require(modules + '/nodemailer');
const fs = require('fs');
const told = JSON.parse(fs.readFileSync(path + '.json'));
const auth = told.mechanism === 'XOAUTH2'
  ? {type: 'OAuth2', user: told.user, accessToken: told.secret} : {user: told.user, pass: told.secret};
const transport = nodemailer.createTransport({host: '127.0.0.1', port: told.port, secure: told.isImplicit,
  requireTLS: true, authMethod: told.mechanism, auth, tls: {rejectUnauthorized: false}, name: 'client.test'});
transport.sendMail({envelope: {from: told.sender, to: told.recipients}, raw: fs.readFileSync(path)})
  .catch(error => { console.error(error.message); process.exitCode = 1; });
"""


@dataclass(frozen=True)
class Login:
    """secret: the password, or for XOAUTH2 the token. is_implicit: TLS from the first octet, else STARTTLS."""

    port: int
    is_implicit: bool
    mechanism: str
    user: str
    secret: str


class LoginFailed(Exception):
    """What the client said."""


def send_with_smtplib(mail: Mail, login: Login) -> None:
    kind = smtplib.SMTP_SSL if login.is_implicit else smtplib.SMTP
    more = {"context": trusting()} if login.is_implicit else {}
    with kind("127.0.0.1", login.port, local_hostname="client.test", timeout=PATIENCE_SECONDS, **more) as client:
        if not login.is_implicit:
            client.starttls(context=trusting())
        client.ehlo()
        try:
            if login.mechanism == XOAUTH2:
                client.auth(XOAUTH2, lambda challenge=None: _xoauth2(login) if challenge is None else "")
            else:
                client.user, client.password = login.user, login.secret
                client.auth(login.mechanism, getattr(client, f"auth_{login.mechanism.lower()}"))
        except smtplib.SMTPAuthenticationError as error:
            raise LoginFailed(str(error)) from None
        client.sendmail(mail.sender, mail.recipients, mail.content)


def send_with_aiosmtplib(mail: Mail, login: Login) -> None:
    sending = aiosmtplib.send(
        mail.content,
        sender=mail.sender,
        recipients=list(mail.recipients),
        hostname="127.0.0.1",
        port=login.port,
        use_tls=login.is_implicit,
        start_tls=not login.is_implicit,
        tls_context=trusting(),
        username=login.user,
        password=login.secret,
        timeout=PATIENCE_SECONDS,
    )
    try:
        asyncio.run(sending)
    except aiosmtplib.SMTPAuthenticationError as error:
        raise LoginFailed(str(error)) from None


def send_with_swaks(mail: Mail, login: Login) -> None:
    with written(mail.content.removesuffix(b"\r\n")) as path:
        words = ["swaks", "--server", f"127.0.0.1:{login.port}", "--helo", "client.test", "--from", mail.sender]
        words += ["--to", ",".join(mail.recipients), "--data", f"@{path}"]
        words += ["--auth", login.mechanism, "--auth-user", login.user, "--auth-password", login.secret]
        _run([*words, "--tls-on-connect" if login.is_implicit else "--tls"])


def send_with_msmtp(mail: Mail, login: Login) -> None:
    words = ["msmtp", "--host=127.0.0.1", f"--port={login.port}", f"--from={mail.sender}", "--domain=client.test"]
    words += [f"--auth={login.mechanism.lower()}", f"--user={login.user}", f"--passwordeval=echo '{login.secret}'"]
    words += ["--file=/dev/null", "--tls=on", f"--tls-starttls={'off' if login.is_implicit else 'on'}"]
    _run([*words, "--tls-certcheck=off", "--", *mail.recipients], mail.content.replace(b"\r\n", b"\n"))


def send_with_curl(mail: Mail, login: Login) -> None:
    with written(mail.content) as path:
        scheme = "smtps" if login.is_implicit else "smtp"
        words = [
            "curl",
            "--silent",
            "--show-error",
            "--verbose",
            "--ssl-reqd",
            "--insecure",
            "--upload-file",
            str(path),
        ]
        words += [f"{scheme}://127.0.0.1:{login.port}/client.test", "--mail-from", mail.sender]
        words += [word for to in mail.recipients for word in ("--mail-rcpt", to)]
        words += ["--login-options", f"AUTH={login.mechanism}"]
        if login.mechanism == XOAUTH2:
            _run([*words, "--user", login.user, "--oauth2-bearer", login.secret])
        else:
            _run([*words, "--user", f"{login.user}:{login.secret}"])


def send_with_nodemailer(mail: Mail, login: Login) -> None:
    with written(mail.content) as path:
        told = {"port": login.port, "isImplicit": login.is_implicit, "mechanism": login.mechanism, "user": login.user}
        told |= {"secret": login.secret, "sender": mail.sender, "recipients": mail.recipients}
        path.with_name(path.name + ".json").write_text(json.dumps(told))
        script = path.with_name("send.cjs")
        script.write_text(NODE_SCRIPT)
        _run(["node", str(script), str(NODE_MODULES), str(path)])


CLIENTS: dict[str, Callable[[Mail, Login], None]] = {
    "smtplib": send_with_smtplib,
    "aiosmtplib": send_with_aiosmtplib,
    "swaks": send_with_swaks,
    "msmtp": send_with_msmtp,
    "curl": send_with_curl,
    "nodemailer": send_with_nodemailer,
}


def _xoauth2(login: Login) -> str:
    return f"user={login.user}\1auth=Bearer {login.secret}\1\1"


def _run(words: list[str], octets: bytes | None = None) -> None:
    done = subprocess.run(words, input=octets, capture_output=True, timeout=PATIENCE_SECONDS)
    if done.returncode != 0:
        raise LoginFailed((done.stdout + done.stderr).decode(errors="replace")[-3000:])
