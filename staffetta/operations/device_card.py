"""Get-DeviceCard: what to type into a device or program so that it sends by an inbound connector or an account."""

from collections.abc import Iterable, Sequence
from typing import Annotated

from pydantic import Field

from staffetta.directory.store import Kind
from staffetta.mail.sentence import sentence
from staffetta.operations.access import found, listed
from staffetta.operations.duties import LOOK_INTO
from staffetta.operations.errors import BadParameter
from staffetta.operations.inputs import Input, Output, Said
from staffetta.operations.organizations import mail_endpoint, organization_value
from staffetta.operations.registry import Context, Operation
from staffetta.settings.model import Listener, ListenerKind
from staffetta.settings.objects import Account, InboundConnector

_IN_TLS = sentence("TLS from the start (SSL/TLS)")
_STARTTLS = "STARTTLS"
_STARTTLS_OR_NONE = sentence("STARTTLS if the device can, or else none")
_USUAL = {ListenerKind.RELAY: "25", ListenerKind.SUBMISSION: "587"}


class GetDeviceCard(Input):
    identity: Annotated[str | None, Field(description="Name or GUID of an inbound connector.")] = None
    account: Annotated[str | None, Field(description="Instead of a connector: user name or GUID of an account.")] = None


class DeviceCardRow(Output):
    name: Annotated[str, Field(description="The connector or account.")]
    server: Annotated[str, Field(description="The host to type in; its address where the device has no DNS.")]
    port: Annotated[str, Field(description="The port.")]
    security: Annotated[Said, Field(description="What the device may call encryption.")]
    authentication: Annotated[Said, Field(description="Whether it logs in.")]
    user_name: Annotated[str | None, Field(description="What it logs in as.")]
    certificate: Annotated[str | None, Field(description="The certificate that it must show.")]
    from_addresses: Annotated[tuple[str, ...], Field(description="Which senders it may use.")]
    client_addresses: Annotated[tuple[str, ...], Field(description="The addresses that it must have; empty: any.")]
    listener: Annotated[str, Field(description="The listener that it talks to.")]
    text: Annotated[str, Field(description="All of it in lines, as the QR code has it.")]


def get(context: Context, given: GetDeviceCard) -> Iterable[Output]:
    if (given.identity is None) == (given.account is None):
        raise BadParameter("Give -Identity or -Account, one of them.", parameter="Identity")
    if given.account is not None:
        account = found(context, Kind.ACCOUNT, given.account).value
        assert isinstance(account, Account)
        yield from _of_account(context, account)
        return
    connector = found(context, Kind.INBOUND_CONNECTOR, given.identity or "").value
    assert isinstance(connector, InboundConnector)
    yield from _of_connector(context, connector)


def _of_connector(context: Context, connector: InboundConnector) -> Iterable[Output]:
    names = connector.tls_sender_certificate_name
    login = connector.sender_accounts
    is_in_clear = connector.allow_authentication_without_tls
    own = [f"*@{each}" for each in connector.associated_accepted_domains or _domains(context, connector.organization)]
    for listener in _listeners(context, is_login=bool(login) and not is_in_clear):
        yield _row(
            context,
            listener,
            connector.name,
            connector.organization,
            is_tls_wanted=connector.require_tls or (bool(login) and not is_in_clear),
            user_name=login[0] if len(login) == 1 and login[0] != "*" else None,
            is_login=bool(login),
            certificate=" or ".join(names) or None,
            from_addresses=own,
            client_addresses=connector.sender_ip_addresses,
        )


def _of_account(context: Context, account: Account) -> Iterable[Output]:
    for listener in _listeners(context, is_login=True):
        yield _row(
            context,
            listener,
            account.user_name,
            account.organization,
            is_tls_wanted=True,
            user_name=account.user_name,
            is_login=True,
            certificate=None,
            from_addresses=[account.user_name, *account.send_as],
            client_addresses=(),
        )


def _row(
    context: Context,
    listener: Listener,
    name: str,
    organization: str,
    *,
    is_tls_wanted: bool,
    user_name: str | None,
    is_login: bool,
    certificate: str | None,
    from_addresses: Sequence[str],
    client_addresses: Sequence[str],
) -> DeviceCardRow:
    security = _IN_TLS if listener.implicit_tls else _STARTTLS if is_tls_wanted else _STARTTLS_OR_NONE
    authentication = sentence("user name and password") if is_login else sentence("none")
    lines = {
        "SMTP server": _host(context, organization),
        "Port": _port(listener),
        "Security": security,
        "Authentication": authentication,
        "User": user_name,
        "Certificate": certificate,
        "From": ", ".join(from_addresses[:5]) or None,
    }
    return DeviceCardRow(
        name=name,
        server=str(lines["SMTP server"]),
        port=str(lines["Port"]),
        security=security,
        authentication=authentication,
        user_name=user_name,
        certificate=certificate,
        from_addresses=tuple(from_addresses),
        client_addresses=tuple(client_addresses),
        listener=listener.name,
        text="\n".join(f"{key}: {value}" for key, value in lines.items() if value),
    )


def _host(context: Context, organization: str) -> str:
    """The relay's own name while there is one organisation; several are told apart by their endpoints."""
    settings = context.settings
    if not settings.organizations:
        return settings.hostname
    first = next(iter(_domains(context, organization)), organization)
    return mail_endpoint(settings, organization_value(settings, organization), first)


def _domains(context: Context, organization: str) -> Sequence[str]:
    return [each.name for each in listed(context, Kind.ACCEPTED_DOMAIN) if each.organization == organization]


def _listeners(context: Context, *, is_login: bool) -> Sequence[Listener]:
    """Where such a client goes: AUTH is offered on submission listeners alone (docs/decisions/025)."""
    listeners = context.settings.listeners
    submission = [each for each in listeners if each.kind is ListenerKind.SUBMISSION]
    if is_login:
        if not submission:
            context.warnings.append(
                sentence(
                    'Whoever logs in needs a listener with kind = "submission"; write one into the settings file, such '
                    'as address = "0.0.0.0:587".'
                )
            )
        return submission
    found = [each for each in listeners if each.kind is ListenerKind.RELAY] or submission
    if not found:
        context.warnings.append(sentence("There is no listener yet: write one into the settings file."))
    return found


def _port(listener: Listener) -> str:
    """As in the settings; 0 lets the system choose, and then nobody knows it beforehand."""
    port = listener.address.rpartition(":")[2]
    return port if port != "0" else f"{_USUAL[listener.kind]} (the system chooses; see the log)"


OPERATIONS = (
    Operation(
        "Get",
        "DeviceCard",
        "Show what to type into a device so that it sends by an inbound connector or an account.",
        GetDeviceCard,
        DeviceCardRow,
        LOOK_INTO,
        get,
        positions=("identity",),
        columns=("name", "server", "port", "security", "user_name"),
        example="'SMTP Relay'",
    ),
)
