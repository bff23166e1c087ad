"""Checks of secrets and token sources: what says where a secret is, and what would hold one itself."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from staffetta.settings.found import Found, Where
from staffetta.settings.model import Settings
from staffetta.settings.presets import effective
from staffetta.settings.roads import Mechanism, Route, TokenSource, Transport
from staffetta.settings.secrets import HOW_TO_REFER, is_reference

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_GRAPH_SCOPE = "https://graph.microsoft.com/.default"


def check_secrets(settings: Settings) -> Found:
    """Yield what is wrong with secrets, token sources, and the routes that name them. Never shows a value."""
    for where, text in _secrets(settings):
        if not is_reference(text):
            yield where, f"a secret stands in the settings, where others may read it; {HOW_TO_REFER}"
    for index, route in enumerate(settings.routes):
        if route.proxy is not None and _holds_password(route.proxy):
            yield (
                ("routes", index, "proxy"),
                (
                    "a password stands in it, where others may read it; write variables, as in "
                    "socks5://${PROXY_USER}:${PROXY_PASSWORD}@proxy.example.org:1080"
                ),
            )
    for index, source in enumerate(settings.token_sources):
        yield from _source(("token_sources", index), source)
    sources = {source.name: source for source in settings.token_sources}
    for index, route in enumerate(map(effective, settings.routes)):
        yield from _tokens_of(("routes", index), route, sources)


def _secrets(settings: Settings) -> Iterator[tuple[Where, str]]:
    if settings.secrets_key is not None:
        yield ("secrets_key",), settings.secrets_key
    if settings.tls_reports.dkim_key is not None:
        yield ("tls_reports", "dkim_key"), settings.tls_reports.dkim_key
    for index, source in enumerate(settings.token_sources):
        if source.client_secret is not None:
            yield ("token_sources", index, "client_secret"), source.client_secret
    for index, route in enumerate(settings.routes):
        if route.client_certificate_password is not None:
            yield ("routes", index, "client_certificate_password"), route.client_certificate_password
        if route.authentication is not None and route.authentication.password is not None:
            yield ("routes", index, "authentication", "password"), route.authentication.password


def _holds_password(url: str) -> bool:
    try:
        password = urlsplit(url).password
    except ValueError:  # route_checks.py says so
        return False
    return password is not None and not (is_reference(password) and password.startswith("${"))


def _source(where: Where, source: TokenSource) -> Found:
    for key in ("token_endpoint", "device_endpoint"):
        address = getattr(source, key)
        if address is not None and not _is_safe(address):
            yield (*where, key), f"{address!r}: secrets go there, so that only an https address will do"
    if source.client_secret is not None and source.client_certificate is not None:
        yield (*where, "client_secret"), "there is a client_certificate too; write one of them"
    if source.client_secret is None and source.client_certificate is None and source.refresh_token_file is None:
        yield (
            (*where, "client_secret"),
            "it is missing; write client_secret, client_certificate, or, for a person's consent, refresh_token_file",
        )


def _is_safe(address: str) -> bool:
    """https; or http to this machine itself, where the rehearsal's far end is."""
    url = urlsplit(address)
    return bool(url.hostname) and (url.scheme == "https" or (url.scheme == "http" and url.hostname in _LOOPBACK))


def _tokens_of(where: Where, route: Route, sources: dict[str, TokenSource]) -> Found:
    known = ", ".join(sorted(sources)) or "none is declared"
    if route.transport is Transport.GRAPH:
        if route.token_source is None:
            yield (*where, "token_source"), f"it is missing; a graph route names a token source; known: {known}"
        if not _is_safe(route.graph_endpoint):
            yield (*where, "graph_endpoint"), f"{route.graph_endpoint!r}: tokens go there; write an https address"
    login = route.authentication
    if login is not None and login.mechanism is Mechanism.XOAUTH2 and login.token_source is None:
        yield (*where, "authentication"), f"for xoauth2 it names a token_source; known: {known}"
    for key, name in (
        ("token_source", route.token_source),
        ("authentication", login.token_source if login else None),
    ):
        if name is not None and name not in sources:
            yield (*where, key), f"there is no token source {name!r}; known: {known}"
    source = sources.get(route.token_source or "")
    if route.transport is Transport.GRAPH and source and "outlook.office" in source.scope:
        yield (
            (*where, "token_source"),
            f"{source.name!r} has a scope for SMTP, {source.scope!r}; write one with scope = {_GRAPH_SCOPE!r}",
        )
