"""Secrets by reference, and the settings that would hold one themselves."""

from pathlib import Path
from typing import Any

import pytest

from staffetta.settings.checks import check
from staffetta.settings.model import Settings
from staffetta.settings.roads import Authentication, Mechanism, NextHop, Route, TlsLevel, TokenSource, Transport
from staffetta.settings.secrets import SecretUnavailable, fill_in, is_reference, read_secret

SECRET = "8Q~hunter2"
ENDPOINT = "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${M365_SECRET}", True),
        ("file:/run/secrets/m365", True),
        ("file:${CREDENTIALS_DIRECTORY}/m365", True),
        ("hunter2", False),
        ("$M365_SECRET", False),
        ("${M365-SECRET}", False),
        ("prefix${M365_SECRET}", False),
        ("file:secret.txt", False),
        ("", False),
    ],
)
def test_a_reference_is_told_from_a_secret(text: str, expected: bool) -> None:
    assert is_reference(text) is expected


def test_a_variable_is_read_when_it_is_used() -> None:
    environment = {"M365_SECRET": "one"}
    assert read_secret("${M365_SECRET}", environment) == "one"
    environment["M365_SECRET"] = "two"
    assert read_secret("${M365_SECRET}", environment) == "two"


@pytest.mark.parametrize("octets", [b"hunter2", b"hunter2\n", b"hunter2\r\n", b"\xef\xbb\xbfhunter2\r\n"])
def test_a_file_is_read_without_its_last_line_end(tmp_path: Path, octets: bytes) -> None:
    (tmp_path / "m365").write_bytes(octets)
    assert read_secret(f"file:{tmp_path}/m365") == "hunter2"
    assert read_secret("file:${CREDENTIALS_DIRECTORY}/m365", {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == "hunter2"


def test_a_user_and_password_may_stand_within_an_address() -> None:
    assert (
        fill_in("socks5://${U}:${P}@proxy:1080", {"U": "relay", "P": SECRET}) == f"socks5://relay:{SECRET}@proxy:1080"
    )


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("${NOT_THERE}", "the variable NOT_THERE is not set"),
        ("file:/not/there", "/not/there cannot be read: No such file or directory"),
        ("file:{folder}/empty", "is empty"),
        ("file:{folder}/huge", "is too large for a secret"),
        ("file:{folder}/image", "is not text"),
        (SECRET, "a secret stands where a reference belongs"),
    ],
)
def test_what_cannot_be_read_is_said_without_the_value(tmp_path: Path, reference: str, text: str) -> None:
    (tmp_path / "empty").write_bytes(b"\n")
    (tmp_path / "huge").write_bytes(b"x" * 70_000)
    (tmp_path / "image").write_bytes(b"\x89PNG\xff")
    with pytest.raises(SecretUnavailable) as refused:
        read_secret(reference.replace("{folder}", str(tmp_path)), {})
    assert text in str(refused.value)
    assert SECRET not in str(refused.value)


def source(**changes: Any) -> TokenSource:
    declared = {"name": "m365", "token_endpoint": ENDPOINT, "client_id": "app", "client_secret": "${M365_SECRET}"}
    return TokenSource(**declared | changes)


def smtp_route(**changes: Any) -> Route:
    return Route(name="out", next_hops=(NextHop(host="smtp.office365.com", port=587),), **changes)


def graph_route(**changes: Any) -> Route:
    return Route(name="out", transport=Transport.GRAPH, **{"token_source": "m365"} | changes)


TOKENLESS = Authentication(mechanism=Mechanism.XOAUTH2, user_name="a@b.c")
GRAPH_SOURCE = source(scope="https://graph.microsoft.com/.default")


@pytest.mark.parametrize(
    ("settings", "where", "text"),
    [
        ({"token_sources": (source(client_secret=SECRET),)}, "token_sources.0.client_secret", "write ${VARIABLE}"),
        (
            {
                "routes": (
                    smtp_route(tls=TlsLevel.REQUIRED, authentication=Authentication(user_name="a", password=SECRET)),
                )
            },
            "routes.0.authentication.password",
            "write ${VARIABLE}",
        ),
        (
            {"routes": (smtp_route(client_certificate=Path("/a.pfx"), client_certificate_password=SECRET),)},
            "routes.0.client_certificate_password",
            "write ${VARIABLE}",
        ),
        (
            {"token_sources": (source(token_endpoint="http://login.example/token"),)},
            "token_sources.0.token_endpoint",
            "only an https address will do",
        ),
        ({"token_sources": (source(client_secret=None),)}, "token_sources.0.client_secret", "it is missing"),
        (
            {"token_sources": (source(client_certificate=Path("app.pem")),)},
            "token_sources.0.client_secret",
            "write one of them",
        ),
        ({"token_sources": (source(), source())}, "token_sources.1.name", "is there twice"),
        ({"routes": (graph_route(token_source=None),)}, "routes.0.token_source", "it is missing"),
        ({"routes": (graph_route(),)}, "routes.0.token_source", "there is no token source 'm365'"),
        (
            {"routes": (graph_route(),), "token_sources": (source(),)},
            "routes.0.token_source",
            "write one with scope = 'https://graph.microsoft.com/.default'",
        ),
        (
            {"routes": (graph_route(graph_endpoint="http://graph.example"),), "token_sources": (GRAPH_SOURCE,)},
            "routes.0.graph_endpoint",
            "write an https address",
        ),
        (
            {"routes": (smtp_route(tls=TlsLevel.VERIFIED, authentication=TOKENLESS),)},
            "routes.0.authentication",
            "it names a token_source",
        ),
    ],
)
def test_what_is_wrong_is_said_without_the_secret(settings: Any, where: str, text: str) -> None:
    found = list(check(Settings(hostname="relay.example", data_dir=Path("var"), **settings)))
    assert [(".".join(map(str, place)), text in said) for place, said in found] == [(where, True)]
    assert not any(SECRET in said for _, said in found)


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8400/token", "http://localhost/token", "https://login.example/t"]
)
def test_a_token_endpoint_on_this_machine_needs_no_tls(address: str) -> None:
    settings = Settings(hostname="relay.example", data_dir=Path("var"), token_sources=(source(token_endpoint=address),))
    assert list(check(settings)) == []
