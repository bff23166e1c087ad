"""Get-ExchangeConnectorCommand: what to run in Exchange Online so that it takes this relay's mail for the tenant's own.

Exchange knows a sender by certificate or by public address; either is a connector there, made by these commands.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

from cryptography import x509
from pydantic import Field

from staffetta.directory.store import Kind
from staffetta.mail.sentence import sentence
from staffetta.operations.access import listed
from staffetta.operations.duties import READ
from staffetta.operations.inputs import Input, Output, Said
from staffetta.operations.registry import Context, Operation
from staffetta.settings.addresses import is_public

_ADDRESS = "<the public IPv4 address of this relay>"


class GetExchangeConnectorCommand(Input):
    name: Annotated[str | None, Field(description="What the connector is to be called there.")] = None


class ExchangeCommand(Output):
    way: Annotated[Said, Field(description="By what Exchange knows this relay.")]
    command: Annotated[str, Field(description="To be run in Exchange Online PowerShell.")]
    note: Annotated[Said, Field(description="What has to be so for it to work.")]


def get(context: Context, given: GetExchangeConnectorCommand) -> Iterable[Output]:
    name = _quoted(given.name or f"From {context.settings.hostname}")
    domains = [each.name for each in listed(context, Kind.ACCEPTED_DOMAIN)]
    start = f"New-InboundConnector -Name {name} -ConnectorType OnPremises -SenderDomains * "
    shown = list(_certificate_names(context))
    wanted = shown[0] if shown else f"*.{domains[0]}" if domains else "<a domain of yours>"
    yield ExchangeCommand(
        way=sentence("Certificate"),
        command=f"{start}-RequireTls $true -TlsSenderCertificateName {wanted}",
        note=_certificate_note(shown, wanted),
    )
    addresses = [each for each in context.settings.doctor.public_addresses if ":" not in each and is_public(each)]
    yield ExchangeCommand(
        way=sentence("Address"),
        command=f"{start}-SenderIPAddresses {','.join(addresses) or _quoted(_ADDRESS)}",
        note=_address_note(addresses),
    )
    yield ExchangeCommand(
        way=sentence("Accepted domains"),
        command=f"Get-AcceptedDomain | Where-Object DomainName -in {','.join(map(_quoted, domains)) or _quoted('…')}",
        note=sentence(
            "Every sender's domain must be an accepted domain there as well, or Exchange answers 550 5.7.64."
        ),
    )


def _certificate_note(shown: Sequence[str], wanted: str) -> str:
    if shown:
        return sentence(
            "The certificate is the one that the route shows to its next hop; a public authority must have issued it."
        )
    return sentence(
        "Exchange wants a certificate for {name} from a public authority, shown by the route as client_certificate; no "
        "route has one yet.",
        name=wanted,
    )


def _address_note(addresses: Sequence[str]) -> str:
    if addresses:
        return sentence(
            "The address must be yours alone, static, and none of a provider's shared ones. Exchange takes IPv4 only, "
            "from doctor.public_addresses."
        )
    return sentence(
        "The address must be yours alone, static, and none of a provider's shared ones. Exchange takes IPv4 only; "
        "write it to doctor.public_addresses here too."
    )


def _certificate_names(context: Context) -> Iterator[str]:
    """Names in the certificates that our routes show; organisations see none of the relay's own."""
    if context.caller.organization is not None:
        return
    for route in context.settings.routes:
        if route.client_certificate is not None:
            yield from _names_in(route.client_certificate)


def _names_in(path: Path) -> Sequence[str]:
    try:
        leaf = x509.load_pem_x509_certificate(path.read_bytes())
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return names.get_values_for_type(x509.DNSName)
    except (OSError, ValueError, x509.ExtensionNotFound):  # a PFX, or not there: expiry and the doctor tell of that
        return ()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


OPERATIONS = (
    Operation(
        "Get",
        "ExchangeConnectorCommand",
        "Show what to run in Exchange Online so that it takes this relay's mail.",
        GetExchangeConnectorCommand,
        ExchangeCommand,
        READ,
        get,
        columns=("way", "command"),
    ),
)
