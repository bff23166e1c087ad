"""Who was refused, refusal by refusal, and which connectors would let in those that kept trying.

Rule 1: an organisation sees the refusals that were told to be its own, and no other.
Rule 2: proposals are read out of what was refused in a bounded time; nothing is relayed meanwhile, and nothing is made.
"""

import ipaddress
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import Field

from staffetta.operations.duties import LOOK_INTO
from staffetta.operations.errors import BadValue
from staffetta.operations.filters import like
from staffetta.operations.inputs import RESULTS_DEFAULT, Input, Output
from staffetta.operations.registry import Context, Operation
from staffetta.operations.spools import not_available, spool_folder, spool_told
from staffetta.operations.trace import RefusalQuery, RefusalRow, find_refusals
from staffetta.policy.decision import Reason
from staffetta.policy.explanation import quoted
from staffetta.trace.refusals import Look, RefusedOnce, refused_of_late
from staffetta.trace.search import DATABASE_NAME

_READ_MAX = 20_000  # refusals that are looked at for one answer
_SHOWN = 10
_PROPOSALS_SHOWN = 100
_NOT_ALL = f"The last {_READ_MAX:,} refusals were looked at; a shorter time shows all of its own."
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
    result_size: Annotated[int, Field(description="Clients at most, those refused most.", ge=1, le=5000)] = (
        _PROPOSALS_SHOWN
    )


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
    query = replace(
        _query(context, after, _look_of(given)),
        session_id=given.identity,
        before=given.end_date.timestamp() + 0.001 if given.end_date else None,  # At is cut to milliseconds
        reasons=() if given.reason is None else (given.reason.strip(),),
        limit=given.result_size + 1,
    )
    with spool_told():
        found = find_refusals(context.settings, query)
    if len(found.rows) > given.result_size:
        context.warnings.append(f"There are more results; {given.result_size} are shown. -ResultSize shows more.")
    elif not found.is_all:
        context.warnings.append(_NOT_ALL)
    return [_row(row) for row in found.rows[: given.result_size]]


def get_proposals(context: Context, given: GetConnectorProposal) -> Iterable[Output]:
    after = datetime.fromtimestamp(context.now(), UTC) - timedelta(minutes=given.minutes)
    network = None if given.peer_address is None else _network(given.peer_address)
    look = None if network is None else lambda peer, sender, recipient: _is_in(network, peer)
    query = replace(_query(context, after, look), reasons=_FOR_LACK_OF_A_CONNECTOR)
    folder = spool_folder(context.settings)
    clients: defaultdict[tuple[str, str], list[RefusedOnce]] = defaultdict(list)
    is_all = True
    if (folder / DATABASE_NAME).exists():
        with spool_told(), not_available():
            rows, is_all = refused_of_late(folder, query)
        for row in rows:
            clients[row.peer, row.certificate_name].append(row)
    if not is_all:
        context.warnings.append(_NOT_ALL)
    most = sorted(clients.items(), key=lambda each: -len(each[1]))
    if len(most) > given.result_size:
        context.warnings.append(f"There are {len(most)} clients; the {given.result_size} refused most are shown.")
    return [_proposal(peer, name, rows) for (peer, name), rows in most[: given.result_size]]


def _query(context: Context, after: datetime | None, look: Look | None) -> RefusalQuery:
    """What the caller may know of."""
    return RefusalQuery(
        after=after.timestamp() if after else None,
        organization=context.caller.organization,
        look=look,
        read_max=_READ_MAX,
    )


def _look_of(given: GetRefusal) -> Look | None:
    """What a refusal must be like; None where nothing is asked for that takes a look at each."""
    network = None if given.peer_address is None else _network(given.peer_address)
    is_sender = None if given.sender_address is None else like(given.sender_address)
    is_recipient = None if given.recipient_address is None else like(given.recipient_address)
    if network is None and is_sender is None and is_recipient is None:
        return None

    def look(peer: str, sender: str | None, recipient: str | None) -> bool:
        return (
            (network is None or _is_in(network, peer))
            and (is_sender is None or is_sender(sender or ""))
            and (is_recipient is None or is_recipient(recipient or ""))
        )

    return look


def _is_in(network: ipaddress.IPv4Network | ipaddress.IPv6Network, peer: str) -> bool:
    return ipaddress.ip_address(peer) in network


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise BadValue(
            f"'{text}' is neither an address nor a network; write 192.0.2.7 or 192.0.2.0/24.", parameter="PeerAddress"
        ) from None


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


def _proposal(peer: str, name: str, rows: Sequence[RefusedOnce]) -> ProposalRow:
    command = (
        f"New-InboundConnector -Name {quoted(f'Relay from {name or peer}')} -ConnectorType OnPremises "
        "-SenderDomains '*' "
    )
    command += f"-TlsSenderCertificateName {quoted(name)}" if name else f"-SenderIPAddresses {quoted(peer)}"
    times = [row.at for row in rows]
    return ProposalRow(
        peer_address=peer,
        certificate_name=name or None,
        refusals=len(rows),
        first_time=datetime.fromtimestamp(min(times), UTC),
        last_time=datetime.fromtimestamp(max(times), UTC),
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
