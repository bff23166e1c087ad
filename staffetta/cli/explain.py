"""`staffetta explain` and `staffetta simulate`: why a client was refused, and what another would be answered."""

import json as json_text
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from staffetta.cli.options import ConfigFile, Json
from staffetta.cli.status import EX_NOINPUT, EX_OK, EX_REFUSED
from staffetta.cli.tables import print_lines
from staffetta.operations.local import local_office
from staffetta.operations.registry import find

Identity = Annotated[str, Parameter(help="The id at the end of a refusal's reply; the whole reply does, too.")]
Address = Annotated[str, Parameter(name="--ip", help="The client's address.")]
Sender = Annotated[str, Parameter(name="--from", help="The sender; '<>' for the null sender.")]
To = Annotated[str, Parameter(name="--to", help="The recipient.")]
Cert = Annotated[Path | None, Parameter(help="PEM file of the client's certificate and what else it sends.")]
CertName = Annotated[str | None, Parameter(help="Instead of a file: assume a good certificate of this name.")]
Login = Annotated[str | None, Parameter(name="--account", help="The user name that the client has logged in with.")]
Tls = Annotated[bool | None, Parameter(help="Whether it uses TLS; left out, only with certificate or account.")]
ListenerName = Annotated[str | None, Parameter(help="Where it connects; left out, where such clients do.")]
Size = Annotated[int | None, Parameter(help="How many octets the message has; left out, few.")]

_FACTS = (
    ("connector", "Connector"),
    ("route rule", "RouteRule"),
    ("outbound connector", "OutboundConnector"),
    ("route", "Route"),
    ("next hops", "NextHops"),
    ("destination", "Destination"),
    ("reason", "Reason"),
)


def explain(identity: Identity, /, *, config: ConfigFile, json: Json = False) -> None:
    """Say why a client was refused, and what to change."""
    with local_office(config, "cli") as office:
        rows = office.execute(find("Get-RefusalExplanation"), {"Identity": identity}).rows
    shown = [row.model_dump(mode="json", by_alias=True) for row in rows]
    if json:
        print(json_text.dumps(shown, indent=2))
        return
    for number, row in enumerate(shown):
        if number:
            print_lines([""])
        print_lines([f"{row['At']}  {row['Sender'] or ''} -> {row['Recipient'] or ''}", row["Reply"], *_story(row)])


def simulate(
    *,
    config: ConfigFile,
    ip: Address,
    sender: Sender,
    to: To,
    cert: Cert = None,
    cert_name: CertName = None,
    account: Login = None,
    tls: Tls = None,
    size: Size = None,
    listener: ListenerName = None,
    json: Json = False,
) -> int:
    """Say what would be answered to a client, by the live path, and why; nothing is sent. Exit status 1: refused."""
    given: dict[str, object] = {"IP": ip, "From": sender, "To": to}
    try:
        pem = cert.read_text(encoding="utf-8", errors="replace") if cert is not None else None
    except OSError as error:
        print_lines([f"{cert}: {error.strerror}"])
        return EX_NOINPUT
    more = {
        "Certificate": pem,
        "CertificateName": cert_name,
        "Account": account,
        "Tls": tls,
        "Octets": size,
        "Listener": listener,
    }
    given |= {name: value for name, value in more.items() if value is not None}
    with local_office(config, "cli") as office:
        (row,) = office.execute(find("Test-Relay"), given).rows
    shown = row.model_dump(mode="json", by_alias=True)
    if json:
        print(json_text.dumps(shown, indent=2))
    else:
        print_lines([f"{shown['Stage']}: {shown['Reply']}", *_story(shown), *_where(shown, sender)])
    return EX_OK if shown["Accepted"] else EX_REFUSED


def _story(row: dict[str, Any]) -> list[str]:
    lines = ["", row["Summary"]]
    for heading, key in (("What we saw", "Seen"), ("Connectors", "Connectors")):
        if row[key]:
            lines += ["", f"{heading}:", *(f"  {line}" for line in row[key])]
    if row["Changes"]:
        lines += ["", "What to change, if the mail should come in:"]
        for words, command in zip(row["Changes"], row["Commands"], strict=True):
            lines += [f"  {words}", *([f"    {command}"] if command else [])]
    return lines


def _where(row: dict[str, Any], sender: str) -> list[str]:
    row = row | {"NextHops": ", ".join(row["NextHops"]) or None}
    lines = ["", *(f"{label}: {row[key]}" for label, key in _FACTS if row[key] is not None)]
    is_rewritten = row["SentAs"] not in (None, sender or "<>")
    return [*lines, f"sent as: {row['SentAs']}"] if is_rewritten else lines
