"""Configuration as code: what is exported applies to nothing, what applies is so, and an error applies nothing."""

import tomllib
from pathlib import Path

import pytest

from staffetta.directory.store import AuditQuery, Kind
from staffetta.operations.config import Difference, Source, apply, difference, export
from staffetta.operations.errors import OperationError
from staffetta.settings.file import SettingsError
from tests.unit.operations.office import Office

HASH = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$aGFzaA"
FILE = """
[[organizations]]
name = "contoso"

[[accepted_domains]]
name = "contoso.example"
route = "inside"
organization = "contoso"

[[accounts]]
user_name = "scanner@contoso.example"
organization = "contoso"
password_hashes = ["${SCANNER_HASHES}"]

[[inbound_connectors]]
name = "Scanners"
organization = "contoso"
sender_accounts = ["scanner@contoso.example"]
associated_accepted_domains = ["contoso.example"]

[[inbound_connectors]]
name = "Old devices"
sender_ip_addresses = ["192.0.2.0/28"]
comment = "a \\"quoted\\" ☎ comment\\nof two lines"
"""


def source(text: str, folder: Path = Path("/nowhere")) -> Source:
    return Source(text, "connectors.toml", folder)


@pytest.fixture(autouse=True)
def hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANNER_HASHES", f"{HASH}\n{HASH}2\n")


def names(office: Office, kind: Kind) -> list[str]:
    return [each.name for each in office.directory.objects(kind, office.settings) if not each.is_declared]


def test_what_a_file_says_is_made_so_once(office: Office) -> None:
    added = [
        Difference("add", "organization", "contoso"),
        Difference("add", "accepted domain", "contoso.example"),
        Difference("add", "account", "scanner@contoso.example"),
        Difference("add", "inbound connector", "Scanners"),
        Difference("add", "inbound connector", "Old devices"),
    ]
    assert difference(office.context(), source(FILE)) == added
    assert office.directory.audit(AuditQuery()) == []
    assert apply(office.context(), source(FILE)) == added
    generation, rows = office.directory.generation(), office.directory.audit(AuditQuery())
    assert {row.operation for row in rows} == {"config apply"}
    assert apply(office.context(), source(FILE)) == []
    assert difference(office.context(), source(FILE)) == []
    assert (office.directory.generation(), office.directory.audit(AuditQuery())) == (generation, rows)
    account = office.directory.objects(Kind.ACCOUNT, office.settings)[0].value
    assert account.model_dump()["password_hashes"] == (HASH, f"{HASH}2")


@pytest.mark.parametrize("with_secrets", [False, True])
def test_what_is_exported_changes_nothing_when_applied(with_secrets: bool, office: Office) -> None:
    apply(office.context(), source(FILE))
    exported = export(office.context(), with_secrets=with_secrets)
    assert (HASH in exported) is with_secrets
    assert "Declared" not in exported, "what the settings file declares is there already"
    assert apply(office.context(), source(exported)) == []
    assert export(office.context(), with_secrets=with_secrets) == exported


def test_an_export_with_secrets_makes_another_relay_alike(office: Office, tmp_path: Path) -> None:
    apply(office.context(), source(FILE))
    exported = export(office.context(), with_secrets=True)
    other = Office(tmp_path / "other")
    apply(other.context(), source(exported))
    assert export(other.context(), with_secrets=True) == exported
    other.directory.close()


def test_an_export_says_in_a_comment_what_it_leaves_out(office: Office) -> None:
    apply(office.context(), source(FILE))
    exported = export(office.context())
    assert "# password_hashes: 2 kept by the relay; left out, they stay\n" in exported
    assert tomllib.loads(exported)["trusted_authorities"] == []


def test_a_list_that_is_left_out_stays_and_an_empty_one_empties(office: Office) -> None:
    apply(office.context(), source(FILE))
    assert apply(office.context(), source("")) == []
    removed = apply(office.context(), source("inbound_connectors = []"))
    assert [(each.change, each.name) for each in removed] == [("remove", "Scanners"), ("remove", "Old devices")]
    assert names(office, Kind.INBOUND_CONNECTOR) == []
    assert names(office, Kind.ACCOUNT) == ["scanner@contoso.example"]


def test_a_change_is_shown_by_property_and_secrets_by_their_number(office: Office) -> None:
    apply(office.context(), source(FILE))
    guid = office.directory.objects(Kind.INBOUND_CONNECTOR, office.settings)[-1].guid
    changed = FILE.replace("192.0.2.0/28", "192.0.2.0/29").replace('"Old devices"', '"OLD devices"')
    changed = changed.replace("${SCANNER_HASHES}", f"{HASH}3").replace('organization = "contoso"\npass', "pass")
    found = apply(
        office.context(),
        source(
            changed.replace('organization = "contoso"\nsender_acc', "sender_acc").replace(
                'associated_accepted_domains = ["contoso.example"]', ""
            )
        ),
    )
    assert found == [
        Difference("change", "account", "scanner@contoso.example", "Organization", '"contoso"', '"default"'),
        Difference("change", "account", "scanner@contoso.example", "PasswordHashes", "2", "1"),
        Difference("change", "inbound connector", "Scanners", "Organization", '"contoso"', '"default"'),
        Difference("change", "inbound connector", "Scanners", "AssociatedAcceptedDomains", '["contoso.example"]', "[]"),
        Difference("change", "inbound connector", "OLD devices", "Name", '"Old devices"', '"OLD devices"'),
        Difference(
            "change", "inbound connector", "OLD devices", "SenderIPAddresses", '["192.0.2.0/28"]', '["192.0.2.0/29"]'
        ),
    ]
    assert office.directory.objects(Kind.INBOUND_CONNECTOR, office.settings)[-1].guid == guid
    others = difference(office.context(), source(FILE.replace("${SCANNER_HASHES}", HASH)))
    assert others[1].before == "1"
    assert others[1].after == "1 others"


BAD = {
    "no TOML": ("[[accounts]", r"connectors.toml:1: this is not TOML"),
    "an unknown list": (
        "[[inbound_connector]]\nname = 'a'",
        r"connectors.toml:1: inbound_connector: there is no such key; did you mean 'inbound_connectors'\?",
    ),
    "an unknown key": (
        "[[accounts]]\nuser_name = 'a'\nsendas = ['*']",
        r"connectors.toml:3: accounts\[0\].sendas: there is no such key; did you mean 'send_as'\?",
    ),
    "a name twice": (
        "[[accounts]]\nuser_name = 'a'\n[[accounts]]\nuser_name = 'A'",
        r"connectors.toml:4: accounts\[1\].user_name: 'A' is there twice; names must differ",
    ),
    "what the checks refuse, by line": (
        FILE + "allow_any_address = true\n[[inbound_connectors]]\nname = 'all'\nsender_ip_addresses = ['::/0']",
        (
            r"connectors.toml:28: inbound_connectors\[2\].sender_ip_addresses: this list is every address, "
            "an open door; if it is meant, allow_any_address must be true"
        ),
    ),
    "no such variable": (
        "[[accounts]]\nuser_name = 'a'\npassword_hashes = '${NOT_THERE}'",
        r"connectors.toml:3: accounts\[0\].password_hashes: the variable NOT_THERE is not set; set it",
    ),
    "no such file": (
        "[[accounts]]\nuser_name = 'a'\npassword_hashes = 'file:a.hash'",
        r"connectors.toml:3: accounts\[0\].password_hashes: the secret in /nowhere/a.hash cannot be read: No such file",
    ),
    "what was needed is gone": (
        "[[organizations]]\nname = 'other'",
        r"connectors.toml: accepted domain 'contoso.example': Organization: there is no organisation 'contoso'",
    ),
}


@pytest.mark.parametrize(("text", "told"), BAD.values(), ids=list(BAD))
def test_an_error_is_told_by_line_and_applies_nothing(text: str, told: str, office: Office) -> None:
    apply(office.context(), source(FILE))
    before = export(office.context(), with_secrets=True)
    for carry_out in (difference, apply):
        with pytest.raises(SettingsError, match=told):
            carry_out(office.context(), source(text))
    assert export(office.context(), with_secrets=True) == before


def test_what_the_settings_file_declares_is_not_changed_by_another_file(office: Office) -> None:
    same = "[[inbound_connectors]]\nname = 'Declared'\nsender_ip_addresses = '192.0.2.200'"
    assert apply(office.context(), source(same)) == []
    with pytest.raises(OperationError, match="'Declared' stands in the settings file; change it there"):
        apply(office.context(), source(same.replace("200", "201")))


def test_paths_and_references_start_at_the_folder_of_the_file(office: Office, tmp_path: Path) -> None:
    (tmp_path / "a.hash").write_text(f"  {HASH}  \n\n")
    text = (
        "[[accounts]]\nuser_name = 'a'\npassword_hashes = 'file:a.hash'\n"
        "[[trusted_authorities]]\nname = 'ours'\ncertificates = 'ca.pem'\n"
    )
    apply(office.context(), source(text, tmp_path))
    assert f'certificates = "{tmp_path}/ca.pem"' in export(office.context())
    assert f'password_hashes = ["{HASH}"]' in export(office.context(), with_secrets=True)


def test_long_lists_have_a_line_for_each_entry(office: Office) -> None:
    addresses = [f"198.51.100.{number}" for number in range(20)]
    listed = ", ".join(f"'{address}'" for address in addresses)
    apply(office.context(), source(f"[[inbound_connectors]]\nname = 'many'\nsender_ip_addresses = [{listed}]"))
    exported = export(office.context())
    assert '\n    "198.51.100.7",\n' in exported
    assert tomllib.loads(exported)["inbound_connectors"][0]["sender_ip_addresses"] == addresses
