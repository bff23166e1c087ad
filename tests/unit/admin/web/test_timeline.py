"""The story of a message: how it came, what was decided, what was tried and answered, how it ended, who was told."""

import re
import time

import pytest

from staffetta.mail.outcome import Deferred, Delivered, Failed, Handover, Stage
from staffetta.queue.telling import told
from staffetta.spool.spool import RecipientState, Settlement
from staffetta.spool.sqlite import SqliteSpool
from staffetta.trace.events import Event, EventKind
from tests.unit.admin.web.browser import Browser, Console
from tests.unit.operations.mail import in_spool, kept

CAME = {
    "listener": "relay",
    "peer": "192.0.2.7",
    "helo": "printer.contoso.com",
    "tls": "TLSv1.3",
    "certificate_names": "mail.contoso.com",
    "certificate_fingerprint": "ab:cd",
    "connector": "Printers",
    "known_by": "certificate mail.contoso.com",
    "reason": "connector",
    "account": None,
    "session": "0ETQ8ZN1M4XV2",
    "size": 120,
    "tolerated": "missing-fields",
}


@pytest.fixture
def site(site: Console) -> Console:
    site.office.now = time.time
    return site


def part(page: str, heading: str) -> str:
    """What stands under a heading of the details."""
    return re.split(r"<h[23]", page.split(f"<h3>{heading}</h3>")[1])[0]


def tried(site: Console, *, is_delivered: bool) -> None:
    async def work(spool: SqliteSpool) -> str:
        at = time.time()
        (claim,) = await spool.claim("outside", "example.net", "SMTP Relay", at, 1)
        await spool.begin_attempt(claim, [0], {"host": "mx.example.net", "address": "192.0.2.25"}, at)
        if is_delivered:
            done = Delivered(
                status="2.0.0",
                diagnostic="250 2.0.0 Queued as XYZ",
                stage=Stage.FINAL_DOT,
                host="mx.example.net",
                handover=Handover.PASSED_ON,
            )
            event = Event(at, EventKind.SEND, 0, told(done))
            settlement = Settlement(claim.number, 0, RecipientState.DELIVERED, None, done, events=(event,))
        else:
            later = Deferred(status="4.2.0", diagnostic="450 4.2.0 Come back", stage=Stage.RCPT, host="mx.example.net")
            event = Event(at, EventKind.DEFER, 0, {**told(later), "next_attempt_at": at + 300})
            settlement = Settlement(claim.number, 0, RecipientState.DEFERRED, at + 300, later, events=(event,))
        await spool.settle([settlement])
        return ""

    in_spool(site.office.settings, work)


def test_how_it_was_accepted_and_why_stand_apart(ada: Browser, site: Console) -> None:
    queue_id = kept(site.office.settings, "bob@contoso.com", told=CAME)
    page = ada.get(f"/trace?show={queue_id}/0")
    accepted, decided = part(page, "Accepted"), part(page, "Decisions")
    for seen in ("relay", "192.0.2.7", "printer.contoso.com", "TLSv1.3", "mail.contoso.com", "ab:cd", "0ETQ8ZN1M4XV2"):
        assert f"<bdi>{seen}</bdi>" in accepted
    assert "Logged in as" not in accepted
    for said in ("Printers", "certificate mail.contoso.com", "a connector takes the client", "missing-fields"):
        assert f"<bdi>{said}</bdi>" in decided
    assert "<bdi>outside → example.net</bdi>" in decided
    assert "It was not tried yet." in part(page, "Attempts")
    clear = kept(site.office.settings, "bob@contoso.com", told={**CAME, "tls": None})
    assert "<bdi>none: in clear</bdi>" in part(ada.get(f"/trace?show={clear}/0"), "Accepted")


def test_attempts_have_the_reply_as_it_was_and_the_end_follows(ada: Browser, site: Console) -> None:
    queue_id = kept(site.office.settings, "bob@contoso.com")
    tried(site, is_delivered=False)
    page = ada.get(f"/trace?show={queue_id}/0")
    attempts = part(page, "Attempts")
    assert attempts.index("Delivery attempted") < attempts.index("Deferred")
    assert "<pre><bdi>450 4.2.0 Come back</bdi></pre>" in attempts
    assert attempts.count("<time ") == 3  # of both, and of the next attempt
    assert "It is still under way." in part(page, "End") and "next attempt" in part(page, "End")


def test_the_end_of_what_was_delivered_is_its_end(ada: Browser, site: Console) -> None:
    queue_id = kept(site.office.settings, "bob@contoso.com")
    tried(site, is_delivered=True)
    page = ada.get(f"/trace?show={queue_id}/0")
    assert "Handed to the next hop" in part(page, "End")
    assert "250 2.0.0 Queued as XYZ" in part(page, "Attempts")
    assert "Its content is gone" in page


def test_a_notification_and_what_it_tells_of_lead_to_each_other(ada: Browser, site: Console) -> None:
    queue_id = kept(site.office.settings, "bob@contoso.com")
    site.office("Remove-Message", Identity=queue_id)
    page = ada.get(f"/trace?show={queue_id}/0&span=all")
    (there,) = set(re.findall(r'href="(/trace\?Search=id[^"]*)"', part(page, "End"))) - {queue_id}
    assert "The sender was told" in part(page, "End")
    page = ada.get(there.replace("&amp;", "&"))
    accepted = part(page, "Accepted")
    assert f"Tells of the message {queue_id}" in accepted
    assert "it is a notification of our own" in part(page, "Decisions")
    (back,) = re.findall(r'href="(/trace\?Search=id[^"]*)"', accepted)
    page = ada.get(back.replace("&amp;", "&"))
    assert "Deleted" in part(page, "End")


def failed(site: Console) -> None:
    async def work(spool: SqliteSpool) -> str:
        at = time.time()
        (claim,) = await spool.claim("outside", "example.net", "SMTP Relay", at, 1)
        refused = Failed(status="5.1.1", diagnostic="550 5.1.1 No such user", stage=Stage.RCPT)
        event = Event(at, EventKind.FAIL, 0, told(refused))
        await spool.settle([Settlement(claim.number, 0, RecipientState.FAILED, None, refused, events=(event,))])
        return ""

    in_spool(site.office.settings, work)


def test_what_failed_is_queued_again_after_its_preview_while_the_content_is_there(ada: Browser, site: Console) -> None:
    queue_id = kept(site.office.settings, "bob@contoso.com", "eve@outside.example")
    failed(site)
    address = f"/trace?show={queue_id}/0"
    (form,) = re.findall(r'href="(/messages/do/Restore-Message[^"]*)"', part(ada.get(address), "End"))
    assert "bob@contoso.com" in ada.get(form) and "eve@outside.example" not in ada.text
    ada.post("/messages/do/Restore-Message", ada.form("/messages/do/Restore-Message"))
    assert ada.status == 303
    page = ada.get(address)
    assert "Queued again" in part(page, "Attempts") and "It is still under way." in part(page, "End")


def test_where_the_content_of_what_failed_is_gone_it_is_said_who_can_send_it_again(ada: Browser, site: Console) -> None:
    queue_id = kept(site.office.settings, "bob@contoso.com")
    failed(site)
    end = part(ada.get(f"/trace?show={queue_id}/0"), "End")
    assert "Restore-Message" not in end and "The sender has the notification" in end


def test_who_may_only_look_is_offered_no_other_try(site: Console) -> None:
    queue_id = kept(site.office.settings, "bob@contoso.com", "eve@outside.example")
    failed(site)
    viewer = site.signed_in("vic", "View-Only Organization Management")
    assert "Restore-Message" not in viewer.get(f"/trace?show={queue_id}/0")
