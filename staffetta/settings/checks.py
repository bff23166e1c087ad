"""Checks across keys: what no single declaration can say. Each yields (location, what is wrong and what to write).

The texts name keys as the file does; the directory turns those into the names of properties (directory/problems.py).
"""

import re
from collections.abc import Sequence
from ipaddress import ip_address

from staffetta.mail.address import AddressError, parse_domain, parse_mailbox
from staffetta.settings.acme_checks import check_acme
from staffetta.settings.drop import listener_for_drops
from staffetta.settings.found import Found, Where, address_entry, domain_name
from staffetta.settings.model import Console, Listener, ListenerKind, Settings
from staffetta.settings.object_checks import check_objects
from staffetta.settings.objects import TokenIssuer
from staffetta.settings.outbound import smart_host
from staffetta.settings.probe_checks import check_probes
from staffetta.settings.road_checks import check_roads
from staffetta.settings.route_checks import check_routes
from staffetta.settings.secret_checks import check_secrets
from staffetta.settings.tolerance_checks import check_tolerances

_SELECTOR = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*")
_NAME_LENGTH_MAX = 64  # Exchange's, where it says one


def check(settings: Settings) -> Found:
    """Yield everything that is wrong."""
    yield from _names(settings)
    yield from _own_name(settings)
    yield from _ports(settings)
    for index, listener in enumerate(settings.listeners):
        yield from _listener(("listeners", index), listener)
    yield from check_routes(settings)
    yield from check_roads(settings)
    yield from _queue(settings)
    yield from _dns(settings)
    yield from _header_analysis(settings)
    yield from _tls_reports(settings)
    for index, issuer in enumerate(settings.token_issuers):
        yield from _issuer(("token_issuers", index), issuer)
    yield from check_objects(settings)
    yield from check_tolerances(settings)
    yield from check_secrets(settings)
    yield from check_probes(settings)
    yield from _doctor(settings)
    yield from _drop(settings)
    yield from check_acme(settings)
    if settings.console is not None:
        yield from _console(("console",), settings.console)
    if settings.capture is not None:
        yield from _address(("capture", "address"), settings.capture.address)


def _drop(settings: Settings) -> Found:
    try:
        is_taken = settings.drop is None or listener_for_drops(settings) is not None
    except ValueError:  # of an address, which is told where it stands
        return
    if not is_taken:
        yield ("drop",), 'no listener takes what lies there; add one with kind = "relay", such as on 127.0.0.1:2525'


def _names(settings: Settings) -> Found:
    for section, key in (
        ("listeners", "name"),
        ("routes", "name"),
        ("token_sources", "name"),
        ("organizations", "name"),
        ("accepted_domains", "name"),
        ("inbound_connectors", "name"),
        ("trusted_authorities", "name"),
        ("accounts", "user_name"),
        ("token_issuers", "issuer"),
        ("outbound_connectors", "name"),
        ("route_rules", "name"),
        ("probes", "name"),
        ("tolerances", "name"),
    ):
        seen: set[str] = set()
        for index, entry in enumerate(getattr(settings, section)):
            name = getattr(entry, key)
            where = (section, index, key)
            if not name.strip():
                yield where, "it is empty; give it a name"
            elif name.casefold() in seen:
                yield where, f"{name!r} is there twice; names must differ"
            elif not name.isprintable() or name != name.strip():
                yield where, f"{name!r} holds spaces at its ends or control characters; write it without"
            elif key == "name" and section != "accepted_domains" and len(name) > _NAME_LENGTH_MAX:
                yield where, f"it has {len(name)} characters; write {_NAME_LENGTH_MAX} at most"
            seen.add(name.casefold())


def _own_name(settings: Settings) -> Found:
    for key in ("hostname", "mail_domain"):
        if (name := getattr(settings, key)) is not None:
            try:
                parse_domain(name)
            except AddressError as error:
                yield (key,), f"{name!r}: {error}; write a name such as relay.example.org"


def _listener(where: Where, listener: Listener) -> Found:
    yield from _address((*where, "address"), listener.address)
    yield from _key_pair(where, listener)
    if listener.implicit_tls and listener.kind is not ListenerKind.SUBMISSION:
        yield (
            (*where, "implicit_tls"),
            'it is for submission; write kind = "submission", or leave it out',
        )
    yield from _proxies((*where, "proxy_protocol_from"), listener.proxy_protocol_from)


def _console(where: Where, console: Console) -> Found:
    yield from _address((*where, "address"), console.address)
    yield from _key_pair(where, console)
    yield from _proxies((*where, "proxies"), console.proxies)


def _key_pair(where: Where, section: Listener | Console) -> Found:
    if (section.certificate is None) != (section.private_key is None):
        missing = "private_key" if section.private_key is None else "certificate"
        yield (*where, missing), "it is missing; certificate and private_key go together"


def _proxies(key: Where, proxies: Sequence[str]) -> Found:
    for text in proxies:
        if "-" in text or " " in text:
            yield key, f"{text!r}: a proxy is no range; write an address, or a network such as 192.0.2.0/24"
        else:
            yield from address_entry(key, text)


def _ports(settings: Settings) -> Found:
    taken: dict[str, str] = {}
    for index, listener in enumerate(settings.listeners):
        is_chosen_by_system = listener.address.endswith(":0")
        if listener.address in taken and not is_chosen_by_system:
            other = taken[listener.address]
            yield (
                ("listeners", index, "address"),
                f"{listener.address} is taken by listener {other!r}; write another port",
            )
        taken[listener.address] = listener.name


def _address(where: Where, text: str) -> Found:
    if not _is_address_and_port(text):
        yield where, f"{text!r} is not IP:port; write 127.0.0.1:2525 or [::1]:2525"


def _is_address_and_port(text: str) -> bool:
    host, colon, port = text.rpartition(":")
    is_right = bool(colon) and port.isascii() and port.isdigit() and int(port) < 65536
    try:
        ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
        return is_right and (":" not in host or host.startswith("["))
    except ValueError:
        return False


def _queue(settings: Settings) -> Found:
    queue = settings.queue
    if queue.retry_first_seconds > queue.retry_max_seconds:
        yield (
            ("queue", "retry_first_seconds"),
            f"it is above retry_max_seconds, {queue.retry_max_seconds:g}; write less",
        )


def _dns(settings: Settings) -> Found:
    for text in settings.dns.servers:
        try:
            ip_address(text)
        except ValueError:
            if not _is_address_and_port(text):
                yield ("dns", "servers"), f"{text!r} is not a resolver's address; write 192.0.2.53 or 127.0.0.1:5353"


def _header_analysis(settings: Settings) -> Found:
    for text in settings.header_analysis.trusted_hosts:
        try:
            parse_domain(text.removeprefix("*."))
        except AddressError as error:
            where = ("header_analysis", "trusted_hosts")
            yield where, f"{text!r}: {error}; write a name such as mx.contoso.com, or *.contoso.com"


def _tls_reports(settings: Settings) -> Found:
    contact, where = settings.tls_reports.contact, ("tls_reports", "contact")
    selector, key = settings.tls_reports.dkim_selector, settings.tls_reports.dkim_key
    if (selector is None) != (key is None):
        missing = "dkim_key" if key is None else "dkim_selector"
        yield ("tls_reports", missing), "it is missing; dkim_selector and dkim_key go together"
    if selector is not None:
        yield from domain_name(("tls_reports", "dkim_selector"), selector)
    if contact is None:
        if settings.tls_reports.enabled:
            yield where, 'it is missing; write a mailbox that people read, such as contact = "postmaster@contoso.com"'
        return
    try:
        is_right = parse_mailbox(contact).is_ascii
    except AddressError:
        is_right = False
    if not is_right:
        yield where, f"{contact!r} is not a mailbox in ASCII; write one such as postmaster@contoso.com"


def _doctor(settings: Settings) -> Found:
    for key in ("probe_host", "time_server"):
        if (text := getattr(settings.doctor, key)) is not None:
            try:
                smart_host(text)
            except ValueError as error:
                yield ("doctor", key), f"{text!r}: {error}"
    for text in settings.doctor.public_addresses:
        try:
            ip_address(text)
        except ValueError:
            yield ("doctor", "public_addresses"), f"{text!r} is no IP address; write one, such as 203.0.113.7"
    for text in settings.doctor.dkim_selectors:
        if not _SELECTOR.fullmatch(text):
            yield ("doctor", "dkim_selectors"), f"{text!r} is no selector; write what stands before ._domainkey"


def _issuer(where: Where, issuer: TokenIssuer) -> Found:
    if not issuer.audience:
        yield (*where, "audience"), "it is empty, so that no token would do; write what the tokens are made for"
    scheme, is_address, _ = issuer.keys.partition("://")
    if is_address and scheme.lower() != "https":
        yield (*where, "keys"), f"{issuer.keys!r}: keys that come over {scheme} can be forged; write an https address"
    elif not is_address and not issuer.keys.startswith("/"):
        yield (*where, "keys"), f"{issuer.keys!r} starts nowhere; write an https address, or a whole path, from /"
