"""How other processes have the relay send a probe: a file of theirs, a file in answer, in a folder of the data folder.

    <data_dir>/probes/<id>.request  → the relay puts the message into its queue →  <data_dir>/probes/<id>.answer

Rule 1: a file is there whole or not at all; who may write into the data folder may send mail in any case.
Rule 2: a request that nobody has answered for a minute is thrown away: a probe of yesterday proves nothing today.
"""

import asyncio
import contextlib
import json
import os
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import structlog
from pydantic import BaseModel, ConfigDict, Field

from staffetta.mail.address import parse_mailbox
from staffetta.mail.envelope import Envelope, Notify, Recipient
from staffetta.probing.plan import Marked, Plan, ProbeFailed
from staffetta.settings.model import Settings
from staffetta.settings.outbound import all_routes

FOLDER = "probes"
ANSWER_SECONDS = 15.0
STALE_SECONDS = 60.0
_LOOK_SECONDS = 0.5
_ASK_AGAIN_SECONDS = 0.1
_OCTETS_MAX = 64 * 1024
_NO_RELAY = "no relay runs with these settings; start it: staffetta serve --config FILE"

Put = Callable[[Plan, Marked], Awaitable[str]]
"""Commits a probe to the spool and returns its queue id. Raises ProbeFailed."""

_log = structlog.get_logger()


class _Request(BaseModel):
    """What a request's file holds, as JSON."""

    model_config = ConfigDict(strict=True, extra="forbid")

    route: str
    sender: str
    to: str
    notify: Annotated[int, Field(ge=0, le=15)]
    content: str
    token: str
    message_id: str


async def ask_relay(settings: Settings, plan: Plan, probe: Marked) -> str:
    """Have the relay of these settings send a probe, and return its queue id. Raises ProbeFailed."""
    folder = settings.data_dir / FOLDER
    name = secrets.token_hex(8)
    request = _Request(
        route=plan.route,
        sender=str(probe.envelope.reverse_path),
        to=str(plan.to),
        notify=int(probe.envelope.recipients[0].notify),
        content=probe.content.decode(),
        token=probe.token,
        message_id=probe.message_id,
    )
    answer = folder / f"{name}.answer"
    try:
        await asyncio.to_thread(_write, folder / f"{name}.request", request.model_dump_json())
        deadline = time.monotonic() + ANSWER_SECONDS
        while not answer.exists():
            if time.monotonic() > deadline:
                raise ProbeFailed(_NO_RELAY)
            await asyncio.sleep(_ASK_AGAIN_SECONDS)
        said = json.loads(answer.read_text())
    except FileNotFoundError:  # there is not even a data folder
        raise ProbeFailed(_NO_RELAY) from None
    except OSError as error:
        raise ProbeFailed(
            f"{error.filename}: {error.strerror}. Run this as the user that the relay runs as, or as root"
        ) from None
    finally:
        for path in (folder / f"{name}.request", answer):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
    if "queue_id" not in said:
        raise ProbeFailed(str(said.get("trouble", "the relay did not say why")))
    return str(said["queue_id"])


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    draft = path.with_suffix(f"{path.suffix}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    if os.geteuid() == 0:  # the relay is another user: the one whose data folder this is
        owner = path.parent.parent.stat()
        for each in (path.parent, draft):
            os.chown(each, owner.st_uid, owner.st_gid)
    draft.rename(path)


def _take(path: Path) -> str | None:
    """Return what a request says, and remove it; None where its writer has given up. Raises OSError."""
    try:
        stat = path.stat()
        text = path.read_text(encoding="utf-8", errors="replace") if stat.st_size <= _OCTETS_MAX else ""
        path.unlink()
    except FileNotFoundError:
        return None
    return text if abs(time.time() - stat.st_mtime) <= STALE_SECONDS else None


class ProbeDesk:
    """The relay's side: looks for requests until it is cancelled."""

    def __init__(self, get_settings: Callable[[], Settings], put: Put) -> None:
        self._get_settings = get_settings
        self._put = put

    async def run(self) -> None:
        """Answer requests, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Answer what is there now."""
        folder = self._get_settings().data_dir / FOLDER
        try:
            requests = await asyncio.to_thread(lambda: sorted(folder.glob("*.request")))
            for path in requests:
                await self._answer(path)
        except OSError as error:
            _log.error("a probe's request cannot be read", file=error.filename, error=error.strerror)

    async def _answer(self, path: Path) -> None:
        """Raises OSError."""
        text = await asyncio.to_thread(_take, path)
        if text is None:
            return
        try:
            said = {"queue_id": await self._put_in(text)}
        except ProbeFailed as error:
            said = {"trouble": str(error)}
        except ValueError:  # so are ValidationError and AddressError
            said = {"trouble": "the relay does not understand the request; is it of another version?"}
        await asyncio.to_thread(_write, path.with_suffix(".answer"), json.dumps(said))

    async def _put_in(self, text: str) -> str:
        """Raises ProbeFailed, and ValueError where the text is no request."""
        request = _Request.model_validate_json(text)
        plan = Plan(route=request.route, to=parse_mailbox(request.to), sender=parse_mailbox(request.sender))
        known = list(all_routes(self._get_settings()))
        if plan.route not in known:
            raise ProbeFailed(f"there is no route {plan.route!r}; known: {', '.join(known) or 'none'}")
        envelope = Envelope(plan.sender, (Recipient(plan.to, Notify(request.notify)),))
        probe = Marked(request.token, envelope, request.content.encode(), request.message_id)
        return await self._put(plan, probe)
