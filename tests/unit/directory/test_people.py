"""Role groups, administrators, tokens and sign-ins: who is known by what, until when, and what the audit says of it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from staffetta.directory import administrators as people
from staffetta.directory import role_groups as groups
from staffetta.directory import sign_ins, tokens
from staffetta.directory.problems import AlreadyNamed, ChangeRefused, ForeignOrganization, NotThere
from staffetta.directory.store import AuditQuery, Author, Changing, Directory, Kind
from staffetta.settings.model import Settings
from staffetta.settings.objects import Organization

MANAGEMENT, HELP_DESK = "Organization Management", "Help Desk"
ADA = Author("ada", "cli", "Add-RoleGroupMember")
DELEGATE = Author("dora", "console", "New-Administrator", "192.0.2.9", organization="contoso")


@dataclass
class Office:
    """A directory with two managers, ada and bob, and a clock that a test turns."""

    directory: Directory
    settings: Settings
    now: float = 1_000_000.0

    def change(self, author: Author = ADA) -> AbstractContextManager[Changing]:
        return self.directory.change(self.settings, author)

    def members(self, group: str) -> tuple[str, ...]:
        return next(each.members for each in groups.role_groups(self.directory) if each.name == group)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    directory = Directory.open(tmp_path, now=lambda: made.now)
    settings = Settings(
        hostname="relay.test", data_dir=tmp_path, organizations=(Organization(name="contoso"), Organization(name="b"))
    )
    made = Office(directory, settings)
    with made.change() as changing:
        for name in ("ada", "bob"):
            people.add_administrator(changing, name, password_hash="hash of " + name)
            groups.add_member(changing, MANAGEMENT, name)
    yield made
    directory.close()


# Role groups.


def test_the_built_in_groups_are_the_roles_of_exchange(office: Office) -> None:
    built_in = [each for each in groups.role_groups(office.directory) if each.is_built_in]
    assert [(each.name, each.roles) for each in built_in] == [
        (name, (name,))
        for name in (MANAGEMENT, "View-Only Organization Management", HELP_DESK, "Compliance Management")
    ]


def test_an_administrator_has_the_roles_of_all_his_groups(office: Office) -> None:
    with office.change() as changing:
        people.add_administrator(changing, "Carol", organization="Contoso")
        groups.add_role_group(changing, "Night shift", ["help desk", "Compliance Management", "Help Desk"])
        groups.add_member(changing, "night SHIFT", "carol")
        groups.add_member(changing, HELP_DESK, "carol")
    carol = people.administrators(office.directory, "contoso")[0]
    assert (carol.name, carol.organization) == ("Carol", "contoso")
    assert carol.roles == {HELP_DESK, "Compliance Management"}
    with office.change() as changing:
        groups.remove_role_group(changing, "Night shift")
    assert people.administrators(office.directory, "contoso")[0].roles == {HELP_DESK}


@pytest.mark.parametrize(
    ("roles", "told"), [([], "No role is named; the roles are: Org"), (["Root"], "There is no role 'Root'; the roles")]
)
def test_a_group_has_roles_that_are_there(roles: list[str], told: str, office: Office) -> None:
    with pytest.raises(ChangeRefused, match=told), office.change() as changing:
        groups.add_role_group(changing, "Night shift", roles)


def test_names_of_groups_differ_and_built_in_ones_stay(office: Office) -> None:
    with pytest.raises(AlreadyNamed), office.change() as changing:
        groups.add_role_group(changing, "help desk", [HELP_DESK])
    with pytest.raises(ChangeRefused, match="'Help Desk' is built in"), office.change() as changing:
        groups.remove_role_group(changing, "help desk")
    with pytest.raises(NotThere), office.change() as changing:
        groups.remove_role_group(changing, "Night shift")


def test_a_member_is_added_and_removed_once(office: Office) -> None:
    with office.change() as changing:
        groups.add_member(changing, HELP_DESK, "BOB")
    assert office.members(HELP_DESK) == ("bob",)
    with pytest.raises(ChangeRefused, match="'bob' is a member of 'Help Desk' already"), office.change() as changing:
        groups.add_member(changing, HELP_DESK, "bob")
    with office.change() as changing:
        groups.remove_member(changing, HELP_DESK, "bob")
    with pytest.raises(NotThere, match="no member of 'Help Desk' 'bob'"), office.change() as changing:
        groups.remove_member(changing, HELP_DESK, "bob")
    with pytest.raises(NotThere, match="no administrator 'nobody'"), office.change() as changing:
        groups.add_member(changing, HELP_DESK, "nobody")
    removed, added = office.directory.audit(AuditQuery(limit=2))
    assert (added.kind, added.target, added.before, added.after) == (
        "role group",
        HELP_DESK,
        {"Members": []},
        {"Members": ["bob"]},
    )
    assert (removed.before, removed.after) == (added.after, added.before)


def test_somebody_keeps_the_right_to_do_everything(office: Office) -> None:
    with office.change() as changing:
        groups.remove_member(changing, MANAGEMENT, "bob")
        people.add_administrator(changing, "carol", organization="contoso")
        groups.add_member(changing, MANAGEMENT, "carol")  # of one organisation: does not count
    last = "That would leave nobody in 'Organization Management' for all organisations; add somebody else first"
    with pytest.raises(ChangeRefused, match=last), office.change() as changing:
        groups.remove_member(changing, MANAGEMENT, "ada")
    with pytest.raises(ChangeRefused, match=last), office.change() as changing:
        people.set_enabled(changing, "ada", False)
    with pytest.raises(ChangeRefused, match=last), office.change() as changing:
        people.remove_administrator(changing, "ada")
    assert office.members(MANAGEMENT) == ("ada", "carol")


# Administrators.


def test_names_of_administrators_differ_in_any_case(office: Office) -> None:
    with pytest.raises(AlreadyNamed), office.change() as changing:
        people.add_administrator(changing, "ADA")
    for name in ("", " carol", "car\nol"):
        with pytest.raises(ChangeRefused, match="is no name for an administrator"), office.change() as changing:
            people.add_administrator(changing, name)


def test_a_delegate_rules_over_his_own_organization_alone(office: Office) -> None:
    with office.change(DELEGATE) as changing:
        people.add_administrator(changing, "carol", organization="contoso")
        groups.add_member(changing, HELP_DESK, "carol")
        tokens.add_token(changing, "scanner", [HELP_DESK], expires_at=2e6, organization="contoso")
    for organization in ("b", None):
        with pytest.raises(ForeignOrganization), office.change(DELEGATE) as changing:
            people.add_administrator(changing, "eve", organization=organization)
        with pytest.raises(ForeignOrganization), office.change(DELEGATE) as changing:
            tokens.add_token(changing, "eve", [HELP_DESK], expires_at=2e6, organization=organization)
    with pytest.raises(ForeignOrganization, match="'ada' belongs to all org"), office.change(DELEGATE) as changing:
        people.remove_administrator(changing, "ada")
    with pytest.raises(ForeignOrganization), office.change(DELEGATE) as changing:
        groups.add_role_group(changing, "Mine", [MANAGEMENT])
    assert [each.name for each in tokens.tokens(office.directory, "contoso")] == ["scanner"]
    assert tokens.tokens(office.directory, "b") == []


def test_nobody_belongs_to_an_organization_that_is_not_there(office: Office) -> None:
    with pytest.raises(NotThere, match="no organization 'fabrikam'"), office.change() as changing:
        people.add_administrator(changing, "eve", organization="fabrikam")
    with office.change() as changing:
        fabrikam = changing.put(Kind.ORGANIZATION, Organization(name="fabrikam"))
        people.add_administrator(changing, "eve", organization="Fabrikam")
    with (
        pytest.raises(ChangeRefused, match="'fabrikam' has the administrator 'eve'; remove that first"),
        office.change() as changing,
    ):
        changing.remove(fabrikam)
    with office.change() as changing:
        changing.put(Kind.ORGANIZATION, Organization(name="Fabrikam Inc"), guid=fabrikam.guid)
    assert [each.name for each in people.administrators(office.directory, "Fabrikam Inc")] == ["eve"]


# Tokens.


def test_a_token_is_known_by_its_text_until_it_expires(office: Office) -> None:
    with office.change() as changing:
        secret = tokens.add_token(changing, "backup", [MANAGEMENT], expires_at=office.now + 60)
    assert secret.startswith("staffetta_")
    held = tokens.holder(office.directory, secret)
    assert held is not None
    assert (held.name, held.organization, held.roles, held.created_by) == ("backup", None, {MANAGEMENT}, "ada")
    assert tokens.holder(office.directory, secret + "x") is None
    assert tokens.holder(office.directory, "\ud800") is None
    office.now += 60
    assert tokens.holder(office.directory, secret) is None


def test_the_use_of_a_token_is_noted_once_a_minute_and_is_no_change(office: Office) -> None:
    with office.change() as changing:
        secret = tokens.add_token(changing, "backup", [HELP_DESK], expires_at=2e6)
    rows, generation = office.directory.audit(AuditQuery()), office.directory.generation()
    noted = []
    for _ in range(4):
        tokens.holder(office.directory, secret)
        noted.append(tokens.tokens(office.directory)[0].used_at)
        office.now += 30
    assert noted == [1_000_000.0, 1_000_000.0, 1_000_060.0, 1_000_060.0]
    assert (office.directory.audit(AuditQuery()), office.directory.generation()) == (rows, generation)


def test_a_removed_token_opens_no_more_and_the_database_never_held_it(office: Office, tmp_path: Path) -> None:
    with office.change() as changing:
        secret = tokens.add_token(changing, "backup", [HELP_DESK], expires_at=2e6)
    with pytest.raises(AlreadyNamed), office.change() as changing:
        tokens.add_token(changing, "Backup", [HELP_DESK], expires_at=2e6)
    with pytest.raises(ChangeRefused, match="would have expired already"), office.change() as changing:
        tokens.add_token(changing, "late", [HELP_DESK], expires_at=office.now)
    octets = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert secret.removeprefix("staffetta_").encode() not in octets
    with office.change() as changing:
        tokens.remove_token(changing, "BACKUP")
    assert tokens.holder(office.directory, secret) is None
    with pytest.raises(NotThere), office.change() as changing:
        tokens.remove_token(changing, "backup")


# Sign-ins.


def test_a_sign_in_lasts_while_it_is_used_and_half_a_day_at_most(office: Office) -> None:
    with office.change(Author("ada", "console", "Sign-In", "192.0.2.9")) as changing:
        secret = sign_ins.begin(changing, "ADA")
    for _ in range(24):
        office.now += 1799
        person = sign_ins.signed_in(office.directory, secret)
        assert person is not None
        assert (person.name, person.roles) == ("ada", {MANAGEMENT})
    office.now += 1799
    assert sign_ins.signed_in(office.directory, secret) is None, "twelve hours are over"


def test_a_sign_in_ends_when_it_is_not_used(office: Office) -> None:
    with office.change() as changing:
        secret = sign_ins.begin(changing, "ada")
    office.now += sign_ins.IDLE_SECONDS
    assert sign_ins.signed_in(office.directory, secret) is None


@pytest.mark.parametrize("how", ["sign out", "password", "disable", "remove"])
def test_a_sign_in_ends_with(how: str, office: Office) -> None:
    with office.change() as changing:
        secret = sign_ins.begin(changing, "bob")
    assert sign_ins.signed_in(office.directory, secret) is not None
    with office.change() as changing:
        match how:
            case "sign out":
                sign_ins.end(changing, secret)
                sign_ins.end(changing, secret)
            case "password":
                people.set_password(changing, "bob", "another hash")
            case "disable":
                people.set_enabled(changing, "bob", False)
            case "remove":
                people.remove_administrator(changing, "bob")
    assert sign_ins.signed_in(office.directory, secret) is None


def test_who_is_shut_out_has_no_password_and_signs_in_no_more(office: Office) -> None:
    assert sign_ins.password_hash_of(office.directory, "Bob") == "hash of bob"
    assert sign_ins.password_hash_of(office.directory, "nobody") is None
    with office.change() as changing:
        people.set_enabled(changing, "bob", False)
    assert sign_ins.password_hash_of(office.directory, "bob") is None
    with pytest.raises(NotThere), office.change() as changing:
        sign_ins.begin(changing, "bob")


# The first administrator.


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Office]:
    directory = Directory.open(tmp_path / "empty")
    yield Office(directory, Settings(hostname="relay.test", data_dir=tmp_path))
    directory.close()


def test_a_printed_code_makes_the_first_administrator_once(empty: Office) -> None:
    code = sign_ins.new_first_code(empty.directory)
    assert code is not None
    with empty.change(Author("first administrator", "console", "New-Administrator")) as changing:
        sign_ins.redeem_first_code(changing, code, "ada", "hash")
    assert empty.members(MANAGEMENT) == ("ada",)
    assert [row.kind for row in empty.directory.audit(AuditQuery())] == ["role group", "administrator"]
    with pytest.raises(ChangeRefused, match="This code does not open"), empty.change() as changing:
        sign_ins.redeem_first_code(changing, code, "eve", "hash")
    assert sign_ins.new_first_code(empty.directory) is None


def test_only_the_code_printed_last_opens(empty: Office) -> None:
    first, second = (sign_ins.new_first_code(empty.directory) for _ in range(2))
    assert first is not None
    assert second is not None
    with pytest.raises(ChangeRefused), empty.change() as changing:
        sign_ins.redeem_first_code(changing, first, "eve", "hash")
    with empty.change() as changing:
        sign_ins.redeem_first_code(changing, second, "ada", "hash")


def test_no_audit_row_holds_a_password_hash_or_a_secret(office: Office) -> None:
    with office.change() as changing:
        secret = tokens.add_token(changing, "backup", [HELP_DESK], expires_at=2e6)
        people.set_password(changing, "bob", "new hash")
        signed = sign_ins.begin(changing, "ada")
    text = repr(office.directory.audit(AuditQuery(limit=None)))
    assert not any(each in text for each in (secret, signed, "new hash", "hash of"))
