"""main.cf, or the output of `postconf -n`, and what stands beside it, as settings of ours."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from staffetta.importing.draft import CannotImport, Draft, Imported, finished
from staffetta.importing.postfix_clients import import_clients
from staffetta.importing.postfix_domains import import_domains
from staffetta.importing.postfix_listeners import import_listeners
from staffetta.importing.postfix_parameters import Parameters
from staffetta.importing.postfix_roads import Roads
from staffetta.importing.postfix_tables import Tables
from staffetta.importing.postfix_text import parameters as read_parameters
from staffetta.importing.postfix_text import services as read_services

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_TIMES = (  # parameter, our key in [queue], unit where none is said, most that we take
    ("minimal_backoff_time", "retry_first_seconds", "s", 7 * 86_400),
    ("maximal_backoff_time", "retry_max_seconds", "s", 7 * 86_400),
    ("maximal_queue_lifetime", "expire_seconds", "d", 30 * 86_400),
    ("delay_warning_time", "delay_notice_seconds", "h", 30 * 86_400),
)
_NUMBERS = (  # parameter, our key in [limits]
    ("message_size_limit", "message_octets_max"),
    ("header_size_limit", "header_octets_max"),
    ("smtpd_recipient_limit", "recipients_max"),
    ("smtpd_client_connection_count_limit", "connections_per_address_max"),
    ("smtpd_client_connection_rate_limit", "connections_per_minute_max"),
    ("smtpd_client_message_rate_limit", "messages_per_minute_max"),
    ("smtpd_client_recipient_rate_limit", "recipients_per_minute_max"),
    ("smtpd_hard_error_limit", "errors_max"),
    ("hopcount_limit", "received_max"),
)
_REWRITES = "the relay rewrites a connector's sender, and no other address"
_NOT_FOR_US: Mapping[str, tuple[str, str]] = {
    "virtual_alias_maps": ("the relay expands no aliases", "let the server of the mailboxes do it"),
    "virtual_alias_domains": ("the relay expands no aliases", "accept those domains, by a route to who knows them"),
    "canonical_maps": (_REWRITES, "rewritten_sender of the connector, if one address is enough"),
    "sender_canonical_maps": (_REWRITES, "sender_rewriting and rewritten_sender of the connector"),
    "recipient_canonical_maps": (_REWRITES, "let the next hop do it"),
    "smtp_generic_maps": (_REWRITES, "sender_rewriting and rewritten_sender of the connector"),
    "masquerade_domains": (_REWRITES, "sender_rewriting and rewritten_sender of the connector"),
    "relocated_maps": ("nobody is told of a new address", "let the server of the mailboxes do it"),
    "header_checks": ("the relay does not look into content", "a filter in front, or the next hop"),
    "mime_header_checks": ("the relay does not look into content", "a filter in front, or the next hop"),
    "body_checks": ("the relay does not look into content", "a filter in front, or the next hop"),
    "smtp_header_checks": ("the relay changes no header but its own", "the next hop"),
    "content_filter": ("mail is not sent round by a filter", "a filter in front, or the next hop"),
    "smtpd_proxy_filter": ("mail is not sent round by a filter", "a filter in front, or the next hop"),
    "smtpd_milters": ("milters are not asked", "sign and filter at the next hop"),
    "non_smtpd_milters": ("milters are not asked", "sign and filter at the next hop"),
    "always_bcc": ("no copies are made", "a rule at the next hop"),
    "sender_bcc_maps": ("no copies are made", "a rule at the next hop"),
    "recipient_bcc_maps": ("no copies are made", "a rule at the next hop"),
    "smtp_helo_name": ("the relay says its hostname in EHLO", "make hostname that name, if next hops look at it"),
    "smtp_sender_dependent_authentication": ("a route logs in as one user", "a route for each user, and rules"),
    "smtpd_tls_ccert_verifydepth": ("chains are as long as they are", "nothing"),
    "fallback_transport": ("a domain has one route", "let its server pass on what it does not know"),
    "luser_relay": ("a domain has one route", "let its server pass on what it does not know"),
    "home_mailbox": ("the relay has no mailboxes of users", "a maildir route, or LMTP to their server"),
    "mailbox_command": ("the relay starts no programs", "LMTP to the server of the mailboxes"),
}


@dataclass(frozen=True, slots=True)
class PostfixFiles:
    """main: text of main.cf. master: of master.cf, or None. folder: of main.cf, where its tables are looked for, too.

    hostname: where myhostname is not set. transport: a file that stands for transport_maps.
    own: domains of our senders; empty: what main.cf tells.
    """

    name: str
    main: str
    master: str | None
    folder: Path
    hostname: str
    transport: Path | None = None
    own: tuple[str, ...] = ()


def import_postfix(files: PostfixFiles) -> Imported:
    """Return what Postfix's settings are here. Reads the tables that they name. Raises CannotImport."""
    declared = read_parameters(files.main)
    if not declared:
        raise CannotImport(f"{files.name} says nothing; give main.cf, or the output of postconf -n")
    parameters = Parameters(declared, files.hostname)
    services = list(read_services(files.master)) if files.master is not None else []
    draft = Draft(files.name, parameters.text("myhostname").lower())
    draft.note("myhostname", f"hostname {draft.hostname!r}")
    if not parameters.is_set("myhostname"):
        why = "it is not set, and Postfix asks the machine"
        draft.leave("myhostname", why, "hostname is that of the machine of the import; look at it")
    tables = Tables(files.folder, draft, {"transport_maps": files.transport} if files.transport is not None else {})
    unix = {each.name: each for each in services if each.kind == "unix"}
    strangers = import_clients(parameters, tables, draft)
    import_listeners(parameters, services, tables, draft)
    roads = Roads(parameters, unix, tables, draft)
    import_domains(parameters, tables, roads, draft, strangers=strangers, own=files.own)
    _numbers(parameters, draft)
    for name, (why, instead) in _NOT_FOR_US.items():
        if parameters.is_set(name) and parameters.text(name) not in ("", "no"):
            draft.leave(name, why, instead)
    for name in parameters.untouched():
        if parameters.text(name):
            draft.leave(name, "an import does not know this parameter", "see whether you need what it does")
    return finished(draft)


def _numbers(parameters: Parameters, draft: Draft) -> None:
    for name, key, unit, most in _TIMES:
        if not parameters.is_set(name):
            continue
        seconds = _seconds(parameters.text(name), unit)
        if seconds is None or not 0 < seconds <= most:
            why = f"{parameters.text(name)!r} is no time that we take, 1s to {most}s"
            draft.leave(name, why, f"queue.{key}, if the default will not do")
            continue
        draft.queue[key] = seconds
        draft.note(name, f"queue.{key} = {seconds}")
    for name, key in _NUMBERS:
        text = parameters.text(name)
        if not text or (not parameters.is_set(name) and name != "message_size_limit"):
            continue
        if not text.isdigit() or int(text) == 0:
            draft.leave(name, f"{text} is no limit, and we have one", f"limits.{key}, if the default will not do")
            continue
        draft.limits[key] = int(text)
        draft.note(name, f"limits.{key} = {text}")


def _seconds(text: str, unit: str) -> int | None:
    match = re.fullmatch(r"(\d+)\s*([smhdw]?)", text)
    return int(match[1]) * _UNITS[match[2] or unit] if match else None
