"""Who has been here of late: addresses of clients, and the names that they gave. Reads a spool's database."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from staffetta.trace.partitions import Partition, from_each
from staffetta.trace.search import reading

_LAST = 500  # messages, and as many refusals: enough to see a pattern, and read in a moment


@dataclass(frozen=True, slots=True)
class PeerCount:
    """How often an address was the client of one of the last messages and refusals, and the names it gave (HELO)."""

    address: str
    sessions: int
    helos: tuple[str, ...]


def peer_counts(folder: Path) -> Sequence[PeerCount]:
    """Return the addresses, the most frequent first. Raises TraceUnavailable."""
    counts: dict[str, int] = {}
    helos: dict[str, dict[str, None]] = {}
    for address, helo in from_each(folder, _last_peers):
        counts[address] = counts.get(address, 0) + 1
        if helo:
            helos.setdefault(address, {}).setdefault(helo.lower())
    order = sorted(counts, key=lambda address: -counts[address])
    return [PeerCount(address, counts[address], tuple(helos.get(address, {}))) for address in order]


def _last_peers(partition: Partition) -> list[tuple[str, str | None]]:
    # What has no session is ours, such as notifications. A refusal without a name came before HELO.
    with reading(partition) as connection:
        return connection.execute(
            "SELECT * FROM (SELECT peer_address, helo FROM message WHERE peer_address != '' "
            "ORDER BY number DESC LIMIT ?1) UNION ALL SELECT * FROM (SELECT peer_address, helo FROM refusal "
            "ORDER BY number DESC LIMIT ?1)",
            (_LAST,),
        ).fetchall()
