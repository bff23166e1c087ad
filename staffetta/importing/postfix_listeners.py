"""Where Postfix listens: inet_interfaces and the smtpd services of master.cf, as listeners."""

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path

from staffetta.importing.draft import Draft, said, unused_name
from staffetta.importing.postfix_clients import import_accounts
from staffetta.importing.postfix_parameters import Parameters
from staffetta.importing.postfix_restrictions import LISTS, verdict
from staffetta.importing.postfix_tables import Tables
from staffetta.importing.postfix_text import Service
from staffetta.settings.model import Listener, ListenerKind

PORTS = {"smtp": 25, "submission": 587, "submissions": 465, "smtps": 465, "ssmtp": 465, "lmtp": 24}
_SUBMISSION_PORTS = (587, 465)
_NAMES = {25: "smtp", 587: "submission", 465: "submissions"}
_PLAIN = Service("smtp", "inet", "smtpd", {})
_IMPLICIT_TLS_PORT = 465


def import_listeners(parameters: Parameters, services: Sequence[Service], tables: Tables, draft: Draft) -> None:
    """Make a listener for each address of each smtpd service; without master.cf, port 25."""
    ours = [each for each in services if each.kind in ("inet", "pass") and each.command in ("smtpd", "postscreen")]
    for service in ours or [_PLAIN]:
        if service.command == "postscreen":
            why = "it judges strangers before they may speak"
            draft.leave(f"master.cf, {service.name} (postscreen)", why, "limits.* bounds what strangers may do")
        if service.kind == "pass":
            continue  # behind postscreen, whose port it is
        _service(service, parameters.under(service.options), tables, draft)
    has_submission = any(each.kind is ListenerKind.SUBMISSION for each in draft.listeners)
    if parameters.is_on("smtpd_sasl_auth_enable") and not has_submission:
        _service(Service("submission", "inet", "smtpd", {}), parameters, tables, draft)
        why = "clients may log in on port 25; here they do on a submission listener, which was added"
        draft.leave("smtpd_sasl_auth_enable on port 25", why, "point those clients to port 587")
        import_accounts(parameters, tables, draft)


def port_of(name: str) -> int | None:
    """Return the port of `25`, `smtp` or `host:587`; None for a name that we do not know."""
    text = name.rpartition(":")[2]
    return int(text) if text.isascii() and text.isdigit() and int(text) < 65536 else PORTS.get(text)


def _service(service: Service, parameters: Parameters, tables: Tables, draft: Draft) -> None:
    port = port_of(service.name)
    if port is None:
        why = f"we do not know the port of {service.name}"
        draft.leave(f"master.cf, {service.name}", why, "add a listener with that port")
        return
    is_implicit = parameters.is_on("smtpd_tls_wrappermode") or port == _IMPLICIT_TLS_PORT
    kind = ListenerKind.SUBMISSION if port in _SUBMISSION_PORTS or is_implicit else ListenerKind.RELAY
    if kind is ListenerKind.RELAY and service.options:
        kind = _kind(parameters, tables)
    files = _certificate(parameters, draft)
    asks = parameters.is_on("smtpd_tls_ask_ccert") or parameters.is_on("smtpd_tls_req_ccert")
    if parameters.text("smtpd_upstream_proxy_protocol"):
        why = "Postfix takes a PROXY header from whoever connects; a listener here names its proxies"
        draft.leave(f"{service.name}, smtpd_upstream_proxy_protocol", why, "proxy_protocol_from = [the proxies]")
    if kind is ListenerKind.SUBMISSION:
        import_accounts(parameters, tables, draft)
    for address in _addresses(service, parameters, draft):
        suffix = " IPv6" if address.startswith("[") else ""
        name = unused_name(_NAMES.get(port, f"port {port}") + suffix, [each.name for each in draft.listeners])
        listener = said(
            Listener,
            name=name,
            address=f"{address}:{port}",
            kind=kind if kind is ListenerKind.SUBMISSION else None,
            implicit_tls=is_implicit or None,
            request_client_certificate=asks or None,
            **files,
        )
        draft.listeners.append(listener)
        draft.note(f"service {service.name}", f"listener {name!r} at {listener.address}")


def _kind(parameters: Parameters, tables: Tables) -> ListenerKind:
    """A service of another port is for submission where only those who have logged in get through."""
    scratch = Draft("", "scratch.invalid")
    verdicts = [verdict(name, parameters, Tables(tables.folder, scratch), scratch) for name in LISTS]
    return ListenerKind.RELAY if all(each.strangers for each in verdicts) else ListenerKind.SUBMISSION


def _addresses(service: Service, parameters: Parameters, draft: Draft) -> Iterator[str]:
    host = service.name.rpartition(":")[0].strip("[]")
    wanted = [host] if host else parameters.words("inet_interfaces")
    protocols = parameters.words("inet_protocols")
    versions = {4, 6} if "all" in protocols else {int(each[-1]) for each in protocols if each in ("ipv4", "ipv6")}
    for text in wanted:
        match text:
            case "all" | "0.0.0.0" | "::" if not host:
                found = ["0.0.0.0", "::"]
            case "loopback-only" | "localhost":
                found = ["127.0.0.1", "::1"]
            case _:
                found = [text.strip("[]")]
        for each in found:
            try:
                address = ip_address(each)
            except ValueError:
                why = f"{each} is a name; a listener has an address"
                draft.leave("inet_interfaces", why, "add a listener with that host's address")
                continue
            if address.version in versions:
                yield f"[{address}]" if address.version == 6 else str(address)


def _certificate(parameters: Parameters, draft: Draft) -> dict[str, Path]:
    chains = parameters.words("smtpd_tls_chain_files")
    certificate, key = parameters.text("smtpd_tls_cert_file"), parameters.text("smtpd_tls_key_file")
    for name in ("smtpd_use_tls", "smtpd_tls_eccert_file", "smtpd_tls_eckey_file", "smtpd_tls_CAfile"):
        parameters.is_set(name)  # looked at: with or without, we serve TLS by the certificate above
    if chains:
        certificate = key = chains[0]
        if len(chains) > 1:
            why = "a listener has one certificate"
            draft.leave("smtpd_tls_chain_files", why, f"{chains[0]} was taken; write another, if that is not the one")
    if not certificate or certificate == "none":
        return {}
    draft.note("smtpd_tls_cert_file", f"certificate of the listeners, {certificate}")
    why = "the key is root's alone, as a rule, and the relay is not root"
    draft.leave(f"smtpd_tls_key_file, {key}", why, f"make it readable: setfacl -m u:staffetta:r {key}")
    return {"certificate": Path(certificate), "private_key": Path(key)}
