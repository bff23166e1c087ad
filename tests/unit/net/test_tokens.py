"""Tokens of a provider of our own: its keys are served over https on loopback, or lie in a file."""

import base64
import hmac
import json
import ssl
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import RSAKey

from staffetta.net import tokens
from staffetta.net.tokens import KeysUnavailable, TokenRefused, Tokens
from staffetta.settings.objects import TokenIssuer
from tests.provider import ISSUER, KEYS, Provider, serving, tls_of_an_authority
from tests.provider import token as made_token

NOW = 1_800_000_000.0
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
)
token = partial(made_token, NOW)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ssl.SSLContext]:
    """The provider's side, of an authority that this machine trusts meanwhile."""
    path = tmp_path_factory.mktemp("authority") / "authority.pem"
    context = tls_of_an_authority(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(path))
        yield context


@pytest.fixture
def provider(tls: ssl.SSLContext) -> Iterator[Provider]:
    with serving(tls) as provider:
        yield provider


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


def issuer(keys: str) -> TokenIssuer:
    return TokenIssuer(issuer=ISSUER, audience=("https://relay.example", "relay"), keys=keys)


@pytest.mark.parametrize("kid", KEYS)
def test_good_token_names_the_user(provider: Provider, kid: str) -> None:
    assert Tokens(now=Clock()).user_of(token(kid), [issuer(provider.url)]) == "scanner@contoso.test"


def test_keys_may_lie_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(Provider().document())
    assert Tokens(now=Clock()).user_of(token(), [issuer(str(path))]) == "scanner@contoso.test"


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "https://login.example/other"}, "not among token_issuers"),
        ({"iss": None}, "not among token_issuers"),
        ({"aud": "another"}, "aud"),
        ({"aud": None}, "aud"),
        ({"aud": ["another", "third"]}, "aud"),
        ({"exp": NOW - 61}, "expired"),
        ({"exp": None}, "exp"),
        ({"exp": "tomorrow"}, "exp"),
        ({"nbf": NOW + 61}, "not yet valid"),
        ({"preferred_username": None}, "preferred_username"),
        ({"preferred_username": ["a", "b"]}, "preferred_username"),
        ({"preferred_username": ""}, "preferred_username"),
    ],
)
def test_claim_that_is_wrong_is_named(provider: Provider, claims: dict[str, Any], why: str) -> None:
    with pytest.raises(TokenRefused, match=why):
        Tokens(now=Clock()).user_of(token(**claims), [issuer(provider.url)])


@pytest.mark.parametrize("claims", [{"aud": ["x", "relay"]}, {"exp": NOW - 59}, {"nbf": NOW + 59}])
def test_claims_within_bounds_are_taken(provider: Provider, claims: dict[str, Any]) -> None:
    Tokens(now=Clock()).user_of(token(**claims), [issuer(provider.url)])


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _part(value: dict[str, Any]) -> str:
    return _encoded(json.dumps(value))


def _by_a_shared_secret() -> str:
    """The classic: the public key, which everybody has, as the secret of an HMAC."""
    signed = f"{_part({'alg': 'HS256', 'kid': 'one'})}.{token().split('.')[1]}"
    public: bytes = KEYS["one"][1].as_pem(private=False)  # type: ignore[union-attr]
    digest = hmac.digest(public, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def _unsigned() -> str:
    return f"{_part({'alg': 'none'})}.{token().split('.')[1]}."


def _by_another_key() -> str:
    stranger = RSAKey.generate_key(2048, {"kid": "one"})
    claims = {"iss": ISSUER, "aud": "relay", "exp": NOW + 3600, "preferred_username": "scanner@contoso.test"}
    return jwt.encode({"alg": "RS256", "kid": "one"}, claims, stranger, algorithms=["RS256"])


def _altered() -> str:
    head, _, signature = token().split(".")
    return ".".join((head, token(preferred_username="boss@contoso.test").split(".")[1], signature))


@pytest.mark.parametrize(
    "make",
    [
        _by_a_shared_secret,
        _unsigned,
        _by_another_key,
        _altered,
        lambda: token(header={"kid": "two"}),
        lambda: token(header={"kid": "unknown"}),
        lambda: f"{_part({'alg': 'RS256'})}.{_encoded('[' * 100_000)}.x",
        lambda: f"{_encoded('[' * 100_000)}.{_part({})}.x",
        lambda: f"{_part({'alg': 'RS256', 'kid': ['one']})}.{token().split('.')[1]}.x",
        lambda: f"{_part({'alg': ['RS256']})}.{token().split('.')[1]}.x",
        lambda: f"{_part({})}.{token().split('.')[1]}.x",
        lambda: "",
        lambda: "a.b",
        lambda: "a.b.c",
        lambda: "e30.e30.e30",
        lambda: "e30.W10.e30",
        lambda: ".".join(["eyJhbGciOiJSUzI1NiJ9", "bm8", "x"]),
        lambda: token()[:-4],
        lambda: token() + ".x.y",
    ],
)
def test_forged_or_broken_token_is_refused(provider: Provider, make: Any) -> None:
    with pytest.raises(TokenRefused):
        Tokens(now=Clock()).user_of(make(), [issuer(provider.url)])


def test_keys_are_read_once_an_hour(provider: Provider) -> None:
    clock = Clock()
    checker = Tokens(now=clock)
    for _ in range(5):
        checker.user_of(token(), [issuer(provider.url)])
    assert provider.asked == 1
    clock.now += tokens.FRESH_SECONDS + 1
    checker.user_of(token(exp=clock.now + 60), [issuer(provider.url)])
    assert provider.asked == 2


def test_new_key_is_found_and_made_up_keys_do_not_make_us_ask_each_time(provider: Provider) -> None:
    clock = Clock()
    checker = Tokens(now=clock)
    provider.published = ["one"]
    checker.user_of(token(), [issuer(provider.url)])
    for _ in range(5):
        with pytest.raises(TokenRefused, match="two"):
            checker.user_of(token("two"), [issuer(provider.url)])
    assert provider.asked == 1
    provider.published = ["two"]
    clock.now += tokens.BETWEEN_READINGS_SECONDS
    checker.user_of(token("two"), [issuer(provider.url)])
    assert provider.asked == 2


def test_provider_that_is_down_keeps_nobody_out_whose_key_we_have(provider: Provider) -> None:
    clock = Clock()
    checker = Tokens(now=clock)
    checker.user_of(token(), [issuer(provider.url)])
    provider.is_down = True
    clock.now += tokens.STALE_SECONDS - 1
    checker.user_of(token(exp=clock.now + 60), [issuer(provider.url)])
    clock.now += tokens.BETWEEN_READINGS_SECONDS
    with pytest.raises(KeysUnavailable, match="500"):
        checker.user_of(token(exp=clock.now + 60), [issuer(provider.url)])


def test_provider_that_leads_elsewhere_in_clear_is_not_followed(provider: Provider) -> None:
    provider.leads_to = "http://login.example/keys"
    with pytest.raises(KeysUnavailable, match="https alone"):
        Tokens(now=Clock()).user_of(token(), [issuer(provider.url)])


@pytest.mark.parametrize("document", ["", "[]", "{}", '{"keys": []}', '{"keys": [1]}', '{"keys": [{"kty": "RSA"}]}'])
def test_document_without_keys_is_trouble_of_ours(tmp_path: Path, document: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(document)
    with pytest.raises(KeysUnavailable):
        Tokens(now=Clock()).user_of(token(), [issuer(str(path))])


@pytest.mark.parametrize("place", ["http://127.0.0.1/keys", "ftp://login.example/keys", "file:///etc/passwd"])
def test_keys_are_read_over_https_alone(place: str) -> None:
    with pytest.raises(KeysUnavailable, match="https alone"):
        Tokens(now=Clock()).user_of(token(), [issuer(place)])


def test_provider_whose_certificate_is_not_trusted_is_not_believed(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    with pytest.raises(KeysUnavailable, match="certificate verify failed"):
        Tokens(now=Clock()).user_of(token(), [issuer(provider.url)])


@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "b64", "crit", "jwk", "x5c"]), JSON), st.data())
@settings(max_examples=200, deadline=None)
def test_no_token_makes_anything_else_of_itself_than_a_refusal(header: dict[str, Any], data: st.DataObject) -> None:
    claims = data.draw(st.dictionaries(st.sampled_from(["aud", "exp", "nbf"]), JSON))
    made = f"{_part({'alg': 'RS256'} | header)}.{_part({'iss': ISSUER} | claims)}.{data.draw(st.text('ab_-='))}"
    with pytest.raises((TokenRefused, KeysUnavailable)):
        Tokens(now=Clock()).user_of(made, [issuer("/nowhere")])
