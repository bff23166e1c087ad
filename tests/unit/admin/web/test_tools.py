"""Doctor, send test, probe: what takes long runs beside the page, once at a time, and its answer waits there."""

import asyncio

import pytest

from staffetta.admin.web.jobs import AT_ONCE_MAX, Jobs, error_of
from staffetta.operations import health
from staffetta.operations.errors import BadValue, Unavailable
from staffetta.operations.registry import Result
from tests.unit.admin.web.browser import Browser, Console

NOTHING = Result((), ())
KEY = "-----BEGIN PRIVATE KEY-----"


def test_the_doctor_s_report_stays_for_who_looks_next(ada: Browser, site: Console) -> None:
    assert "What to do" not in ada.get("/doctor")
    ada.send("/doctor", Offline="true")
    assert (ada.status, ada.location) == (303, "/doctor")
    page = ada.follow()
    assert "What to do" in page.split("Report")[1]
    assert "it needs the network" in page
    viewer = site.signed_in("vic", "View-Only Organization Management")
    assert "What to do" in viewer.get("/doctor")


def test_an_organization_s_administrator_sees_no_report_of_the_relay(ada: Browser, site: Console) -> None:
    ada.send("/doctor", Offline="true")
    fay = site.signed_in("fay", "Organization Management", organization="fabrikam")
    assert "What to do" not in fay.get("/doctor")
    page = fay.send("/doctor", Offline="true")
    assert fay.status == 422
    assert "ask an administrator of it" in page


def test_no_more_examinations_run_at_once_than_there_are_threads_to_spare(ada: Browser) -> None:
    for _ in range(health.AT_ONCE_MAX):
        assert health._at_once.acquire(blocking=False)
    try:
        page = ada.send("/doctor", Offline="true")
    finally:
        for _ in range(health.AT_ONCE_MAX):
            health._at_once.release()
    assert ada.status == 503
    assert "examinations are under way" in page


def test_a_test_message_that_cannot_be_sent_says_so_beside_the_field(ada: Browser) -> None:
    page = ada.send("/send-test", SmtpServer="192.0.2.1", Port="4000", From="ada@contoso.com", To="eve@outside.test")
    assert ada.status == 422
    assert 'value="192.0.2.1"' in page
    assert "field-Port-error" in page or "field-SmtpServer-error" in page


def test_secrets_of_a_test_are_neither_kept_nor_shown(ada: Browser, site: Console) -> None:
    typed = {"SmtpServer": "/", "From": "ada@contoso.com", "To": "eve@outside.test"}
    page = ada.send("/send-test", **typed, UserName="ada", Password="hunter2", Certificate=KEY)
    assert ada.status == 422
    assert "hunter2" not in page
    assert KEY not in page.split('class="command"')[1]
    later = ada.get("/send-test")
    assert "hunter2" not in later and KEY not in later
    assert 'value="ada@contoso.com"' in later


def test_links_fill_the_form_in_with_servers_that_the_settings_name(ada: Browser) -> None:
    assert "/send-test?SmtpServer=192.0.2.1&amp;Port=25" in ada.get("/send-test")
    assert 'value="192.0.2.1"' in ada.get("/send-test?SmtpServer=192.0.2.1&Port=25")


def test_another_person_sees_no_test_of_mine(ada: Browser, site: Console) -> None:
    ada.send("/probe", Route="inside", TargetEmailAddress="nonsense")
    assert ada.status == 422
    assert "nonsense" in ada.get("/probe")
    bea = site.signed_in("bea", "Organization Management")
    assert "nonsense" not in bea.get("/probe")


def test_one_of_a_key_runs_at_a_time_and_few_of_all() -> None:
    async def scene() -> None:
        jobs, end, begun = Jobs(), asyncio.Event(), []

        async def work(tell: object) -> Result:
            begun.append(tell)
            await end.wait()
            return NOTHING

        first = [asyncio.create_task(jobs.begin(str(number), {}, work)) for number in range(AT_ONCE_MAX)]
        await asyncio.sleep(0)
        again = asyncio.create_task(jobs.begin("0", {}, work))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await jobs.begin("one more", {}, work)
        end.set()
        made = [await each for each in first]
        assert await again is made[0]
        assert len(begun) == AT_ONCE_MAX
        assert made[0].result() is NOTHING

    asyncio.run(scene())


def test_what_came_to_nothing_says_why() -> None:
    async def scene() -> None:
        async def work(_tell: object) -> Result:
            raise BadValue("no", parameter="To")

        error = error_of(await Jobs().begin("", {}, work))
        assert isinstance(error, BadValue)
        assert error_of(None) is None

    asyncio.run(scene())


def test_a_job_says_how_far_it_is_and_one_that_was_broken_off_that_it_was() -> None:
    async def scene() -> None:
        async def work(tell: object) -> Result:
            assert callable(tell)
            tell("Asking the DNS")
            await asyncio.Event().wait()
            return NOTHING

        jobs = Jobs()
        beginning = asyncio.create_task(jobs.begin("", {}, work))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        job = jobs.of("")
        assert job is not None
        assert (job.step, job.is_over) == ("Asking the DNS", False)
        job.task.cancel()
        with pytest.raises(Unavailable, match="broken off"):
            (await beginning).result()

    asyncio.run(scene())
