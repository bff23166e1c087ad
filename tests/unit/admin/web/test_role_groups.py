"""Role groups: what each may do is read there, and members come and go."""

from tests.unit.admin.web.browser import Browser, Console

HELP = "/role-groups?show=Help+Desk"


def test_a_group_says_what_it_may_do_and_look_at(ada: Browser) -> None:
    panel = ada.get(HELP).split('class="fly-out"')[1]
    do, look = panel.split("What it may look at")
    assert "<code>Retry-Queue</code>" in do
    assert "<code>Get-Queue</code>" in look and "New-InboundConnector" not in panel


def test_members_come_and_go(ada: Browser, site: Console) -> None:
    site.person("hal")
    path = "/role-groups/do/Add-RoleGroupMember?id=Help+Desk"
    ada.send(path, Member="hal")
    assert ada.status == 303, ada.text
    panel = ada.get(HELP).split('class="fly-out"')[1]
    link = next(part.split('"')[0] for part in panel.split('href="') if "Remove-RoleGroupMember" in part)
    page = ada.get(link.replace("&amp;", "&"))
    assert 'value="hal"' in page
    ada.send(link.replace("&amp;", "&"))
    assert ada.status == 303, ada.text
    assert "Nobody is in it" in ada.get(HELP)


def test_a_link_fills_a_form_in_but_no_secret(ada: Browser) -> None:
    page = ada.get("/people/do/New-Administrator?Name=bea&Password=hunter2")
    assert 'value="bea"' in page and "hunter2" not in page.split("<main")[1].split('class="command"')[0]


def test_who_may_only_look_is_offered_no_change(site: Console) -> None:
    viewer = site.signed_in("vic", "View-Only Organization Management")
    assert "/role-groups/do/" not in viewer.get(HELP)
