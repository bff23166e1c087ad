"""The content of a message that still waits, for those who may read mail.

Rule 1: who reads mail is written down before it is shown.
Rule 2: content is kept as long as a recipient waits (docs/spool.md); after that there is the trace alone.
"""

from collections.abc import Iterator
from typing import BinaryIO

from staffetta.mail.content import CHUNK_OCTETS
from staffetta.mail.queue_id import from_text
from staffetta.operations.access import changing, not_found
from staffetta.operations.duties import READ_MAIL
from staffetta.operations.errors import NotFound, RoleMissing
from staffetta.operations.registry import Context
from staffetta.operations.spools import not_available, spool_folder, spool_told
from staffetta.operations.trace import TraceQuery, find_messages
from staffetta.operations.tracing import queue_id_of
from staffetta.operations.visibility import own_mail
from staffetta.settings.objects import DEFAULT_ORGANIZATION
from staffetta.spool.stored import open_content, stored_content


def content_of(context: Context, identity: str, operation: str, octets_max: int) -> bytes:
    """Return the first octets of a message. identity: queue id or trace id. operation: in whose course it is read.

    Raises RoleMissing, BadValue, NotFound, Unavailable.
    """
    queue_id = _reading(context, identity, operation)
    with spool_told(), not_available():
        octets = stored_content(spool_folder(context.settings), from_text(queue_id), octets_max)
    if octets is None:
        raise _gone(queue_id)
    return octets


def whole_content(context: Context, identity: str, operation: str) -> Iterator[bytes]:
    """Return all of a message in pieces. Raises as content_of(); the pieces raise OSError."""
    queue_id = _reading(context, identity, operation)
    with spool_told(), not_available():
        found = open_content(spool_folder(context.settings), from_text(queue_id))
    if found is None:
        raise _gone(queue_id)
    return _pieces(*found)


def _pieces(octets: bytes, file: BinaryIO | None) -> Iterator[bytes]:
    if octets:
        yield octets
    if file is not None:
        with file:
            while piece := file.read(CHUNK_OCTETS):
                yield piece


def _reading(context: Context, identity: str, operation: str) -> str:
    """See that the caller may read a message, write it down, and return its queue id."""
    if not READ_MAIL & context.caller.roles:
        may = " or ".join(sorted(READ_MAIL))
        raise RoleMissing(f"To read a message needs the role {may}. Add-RoleGroupMember gives a role.")
    queue_id = queue_id_of(identity, "Identity")
    with spool_told():
        query = TraceQuery(queue_id=queue_id, limit=1, own=own_mail(context))
        rows = find_messages(context.settings, query).rows
    if not rows or queue_id is None:
        raise not_found(context, identity)
    with changing(context, operation) as change:
        organization = context.caller.organization or DEFAULT_ORGANIZATION
        change.audit("message", queue_id, organization, after={"Read": True})
    return queue_id


def _gone(queue_id: str) -> NotFound:
    return NotFound(
        f"The content of {queue_id} is gone: it is kept as long as a recipient waits. Take the message's source "
        "from where it arrived instead.",
        parameter="Identity",
    )
