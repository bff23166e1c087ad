"""`staffetta connector test`: Test-InboundConnector with a certificate out of a file, shown as a story."""

import base64
import getpass
import json as json_text
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from staffetta.cli.options import ConfigFile, Json
from staffetta.cli.status import EX_NOINPUT, EX_OK, EX_REFUSED
from staffetta.cli.tables import print_lines
from staffetta.operations.local import local_office
from staffetta.operations.registry import find

Identity = Annotated[str, Parameter(help="Name or GUID of the connector.")]
Certificate = Annotated[Path | None, Parameter(help="Client certificate to show, with its key: PFX or PEM.")]
PasswordFile = Annotated[Path | None, Parameter(help="File of the certificate's password.")]
Ask = Annotated[bool, Parameter(negative="", help="Ask for that password.")]
Address = Annotated[str | None, Parameter(name="--ip", help="The client's address; left out, 127.0.0.1.")]
Sender = Annotated[str | None, Parameter(name="--from", help="The sender; left out, one that the connector covers.")]
To = Annotated[str | None, Parameter(help="The recipient, who gets nothing.")]
ListenerName = Annotated[str | None, Parameter(help="Where it connects; left out, the first for relaying.")]


def test_connector(
    identity: Identity,
    /,
    *,
    config: ConfigFile,
    certificate: Certificate = None,
    certificate_password_file: PasswordFile = None,
    ask_certificate_password: Ask = False,
    ip: Address = None,
    from_: Sender = None,
    to: To = None,
    listener: ListenerName = None,
    json: Json = False,
) -> int:
    """Connect to ourselves as a client would, up to RCPT, and say whether this connector matches. Status 1: no."""
    given: dict[str, object] = {"Identity": identity}
    try:
        octets = certificate.read_bytes() if certificate is not None else None
        password = None
        if certificate_password_file is not None:
            password = certificate_password_file.read_text(encoding="utf-8-sig").rstrip("\r\n")
        elif ask_certificate_password:
            password = getpass.getpass(f"Password of {certificate}: ")
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return EX_NOINPUT
    more = {
        "Certificate": _carried(octets) if octets is not None else None,
        "CertificatePassword": password,
        "SenderIPAddress": ip,
        "From": from_,
        "To": to,
        "Listener": listener,
    }
    given |= {name: value for name, value in more.items() if value is not None}
    with local_office(config, "cli") as office:
        result = office.execute(find("Test-InboundConnector"), given)
    for warning in result.warnings:
        print(f"Warning: {warning}", file=sys.stderr)
    (row,) = (each.model_dump(mode="json", by_alias=True) for each in result.rows)
    if json:
        print(json_text.dumps(row, indent=2, ensure_ascii=False))
    else:
        print_lines(_story(row))
    return EX_OK if row["IsMatched"] else EX_REFUSED


def _carried(octets: bytes) -> str:
    """As the operation takes it."""
    return octets.decode("ascii", "replace") if b"-----BEGIN " in octets else base64.b64encode(octets).decode()


def _story(row: dict[str, Any]) -> list[str]:
    lines = [*row["Transcript"].splitlines(), ""] if row["Transcript"] else []
    matched = row["MatchedConnector"]
    if row["IsMatched"]:
        lines.append(f"The client is that of connector {row['Connector']}.")
    elif matched:
        lines.append(f"The client is that of connector {matched}, not of {row['Connector']}.")
    else:
        lines.append(f"The client is of no connector; {row['Connector']} does not match.")
    lines += [
        row["Summary"],
        f"client: {row['Source']}",
        f"TLS: {row['Tls'] or 'in clear'}, {'a' if row['IsCertificateWanted'] else 'no'} client certificate asked for",
        f"answer: {row['Reply'] or row['ReckonedReply'] + ' (reckoned)'}",
    ]
    for heading, key in (("What we saw", "Seen"), ("Connectors", "Connectors")):
        if row[key]:
            lines += ["", f"{heading}:", *(f"  {line}" for line in row[key])]
    if row["Changes"]:
        lines += ["", "What to change, if the mail should come in:"]
        for words, command in zip(row["Changes"], row["Commands"], strict=True):
            lines += [f"  {words}", *([f"    {command}"] if command else [])]
    return lines
