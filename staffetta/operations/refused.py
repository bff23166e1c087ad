"""Who was refused, refusal by refusal, and which connectors would let in those that kept trying.

Rule 1: an organisation sees the refusals that were told to be its own, and no other.
Rule 2: proposals are read out of what was refused in a bounded time; nothing is relayed meanwhile, and nothing is made.
"""

import ipaddress
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import Field

from staffetta.operations.duties import LOOK_INTO
from staffetta.operations.errors import BadValue
from staffetta.operations.filters import like
from staffetta.operations.inputs import RESULTS_DEFAULT, Input, Output
from staffetta.operations.registry import Context, Operation
from staffetta.operations.spools import spool_told
from staffetta.operations.trace import RefusalRow, find_refusals
from staffetta.policy.decision import Reason
from staffetta.policy.explanation import quoted

_READ_MAX = 20_000  # refusals that are looked at for one answer
_SHOWN = 10
_DEFAULT_SPAN = timedelta(hours=24)
_FOR_LACK_OF_A_CONNECTOR = (Reason.RELAY_DENIED.value, Reason.DIRECT_SEND_REJECTED.value)


class GetRefusal(Input):
    identity: Annotated[str | None, Field(description="The id at the end of the refusal's reply.")] = None
    peer_address: Annotated[
        str | None, Field(description="The client's address, or a network such as 192.0.2.0/24.")
    ] = None
    reason: Annotated[str | None, Field(description="The reason's name, such as `relay denied`.")] = None
    sender_address: Annotated[str | None, Field(description="The sender; `*` is any text.")] = None
    recipient_address: Annotated[str | None, Field(description="The recipient; `*` is any text.")] = None
    start_date: Annotated[datetime | None, Field(description="At or after this time, UTC; left out, a day ago.")] = None
    end_date: Annotated[datetime | None, Field(description="Before or at this time, UTC; left out, now.")] = None
    result_size: Annotated[int, Field(description="Rows at most.", ge=1, le=5000)] = RESULTS_DEFAULT


class RefusedRow(Output):
    at: Annotated[datetime, Field(description="When it was refused.")]
    identity: Annotated[str, Field(description="The session's id: the last word of the reply.")]
    listener: Annotated[str, Field(description="The listener that refused it.")]
    peer_address: Annotated[str, Field(description="The client's address.")]
    sender: Annotated[str | None, Field(description="The reverse-path; empty for the null path.")]
    recipient: Annotated[str | None, Field(description="The recipient.")]
    reason: Annotated[str, Field(description="The reason's name.")]
    reply: Annotated[str, Field(description="Our reply.")]
    helo: Annotated[str | None, Field(description="The name that the client gave itself.")]
    tls: Annotated[str | None, Field(description="TLS of the session.")]
    certificate_names: Annotated[str | None, Field(description="Names in the client's certificate.")]


class GetConnectorProposal(Input):
    minutes: Annotated[int, Field(description="How many minutes back.", ge=1, le=1440)] = 60
    peer_address: Annotated[
        str | None, Field(description="Only clients of this address or network, such as 192.0.2.0/24.")
    ] = None


class ProposalRow(Output):
    peer_address: Annotated[str, Field(description="The client's address.")]
    certificate_name: Annotated[str | None, Field(description="The first name in its certificate.")]
    refusals: Annotated[int, Field(description="How often it was refused for lack of a connector.")]
    first_time: Annotated[datetime, Field(description="The first time.")]
    last_time: Annotated[datetime, Field(description="The last time.")]
    senders: Annotated[tuple[str, ...], Field(description="Domains of its senders, the most frequent first.")]
    recipients: Annotated[tuple[str, ...], Field(description="Domains of its recipients, the most frequent first.")]
    command: Annotated[str, Field(description="What would let it in, if it is yours.")]


def get(context: Context, given: GetRefusal) -> Iterable[Output]:
    now = datetime.fromtimestamp(context.now(), UTC)
    after = given.start_date or (None if given.identity else (given.end_date or now) - _DEFAULT_SPAN)
    found = [row for row in _own(context, after, given.identity, given.peer_address) if _is_wanted(row, given)]
    if len(found) > given.result_size:
        context.warnings.append(f"There are more results; {given.result_size} are shown. -ResultSize shows more.")
    return [_row(row) for row in found[: given.result_size]]


def get_proposals(context: Context, given: GetConnectorProposal) -> Iterable[Output]:
    after = datetime.fromtimestamp(context.now(), UTC) - timedelta(minutes=given.minutes)
    clients: defaultdict[tuple[str, str], list[RefusalRow]] = defaultdict(list)
    for row in _own(context, after, None, given.peer_address):
        if row.reason in _FOR_LACK_OF_A_CONNECTOR:
            clients[row.peer, _certificate_name(row)].append(row)
    proposals = [_proposal(peer, name, rows) for (peer, name), rows in clients.items()]
    return sorted(proposals, key=lambda each: -each.refusals)


def _own(context: Context, after: datetime | None, session_id: str | None, peer: str | None) -> Sequence[RefusalRow]:
    """What the caller may know of, newest first."""
    network = None if peer is None else _network(peer)
    with spool_told():
        rows = find_refusals(context.settings, session_id=session_id, after=after, limit=_READ_MAX)
    if len(rows) == _READ_MAX:
        context.warnings.append(f"The last {_READ_MAX:,} refusals were looked at; a shorter time shows all of its own.")
    organization = context.caller.organization
    return [
        row
        for row in rows
        if organization in (None, row.evidence.get("organization"))
        and (network is None or ipaddress.ip_address(row.peer) in network)
    ]


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise BadValue(
            f"'{text}' is neither an address nor a network; write 192.0.2.7 or 192.0.2.0/24.", parameter="PeerAddress"
        ) from None


def _is_wanted(row: RefusalRow, given: GetRefusal) -> bool:
    if given.reason is not None and row.reason.casefold() != given.reason.strip().casefold():
        return False
    if given.end_date is not None and datetime.fromisoformat(row.at) > given.end_date:
        return False
    wanted = ((given.sender_address, row.sender), (given.recipient_address, row.recipient))
    return all(pattern is None or like(pattern)(value or "") for pattern, value in wanted)


def _certificate_name(row: RefusalRow) -> str:
    return str(row.evidence.get("certificate_names") or "").partition(",")[0].strip()


def _row(row: RefusalRow) -> RefusedRow:
    names = row.evidence.get("certificate_names")
    return RefusedRow(
        at=datetime.fromisoformat(row.at),
        identity=row.session_id,
        listener=row.listener,
        peer_address=row.peer,
        sender=row.sender,
        recipient=row.recipient,
        reason=row.reason,
        reply=row.reply,
        helo=row.helo,
        tls=row.tls,
        certificate_names=None if names is None else str(names),
    )


def _proposal(peer: str, name: str, rows: Sequence[RefusalRow]) -> ProposalRow:
    command = (
        f"New-InboundConnector -Name {quoted(f'Relay from {name or peer}')} -ConnectorType OnPremises "
        "-SenderDomains '*' "
    )
    command += f"-TlsSenderCertificateName {quoted(name)}" if name else f"-SenderIPAddresses {quoted(peer)}"
    return ProposalRow(
        peer_address=peer,
        certificate_name=name or None,
        refusals=len(rows),
        first_time=datetime.fromisoformat(rows[-1].at),
        last_time=datetime.fromisoformat(rows[0].at),
        senders=_domains(row.sender for row in rows),
        recipients=_domains(row.recipient for row in rows),
        command=command,
    )


def _domains(addresses: Iterable[str | None]) -> tuple[str, ...]:
    counts = Counter(address.rpartition("@")[2].lower() for address in addresses if address)
    return tuple(domain for domain, _ in counts.most_common(_SHOWN))


OPERATIONS = (
    Operation(
        "Get",
        "Refusal",
        "Show who was refused, the latest first.",
        GetRefusal,
        RefusedRow,
        LOOK_INTO,
        get,
        positions=("identity",),
        columns=("at", "peer_address", "sender", "recipient", "reason"),
        example="-PeerAddress 192.0.2.0/24 -SenderAddress *@contoso.com",
    ),
    Operation(
        "Get",
        "ConnectorProposal",
        "Propose connectors for clients that were refused for lack of one.",
        GetConnectorProposal,
        ProposalRow,
        LOOK_INTO,
        get_proposals,
        columns=("peer_address", "certificate_name", "refusals", "last_time", "senders"),
        example="-Minutes 30 -PeerAddress 192.0.2.0/24",
    ),
)
