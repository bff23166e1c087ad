"""Who may send: mynetworks, restriction lists, certificates and logins of Postfix, as connectors and accounts."""

import re
from collections.abc import Iterator

from staffetta.importing.draft import Draft, said, unused_name
from staffetta.importing.networks import covers_everybody, first_wins
from staffetta.importing.postfix_parameters import Parameters
from staffetta.importing.postfix_restrictions import LISTS, Door, Verdict, verdict
from staffetta.importing.postfix_tables import Tables
from staffetta.mail.address import AddressError, parse_mailbox
from staffetta.settings.addresses import Network, networks
from staffetta.settings.objects import Account, InboundConnector

_SHA_256 = re.compile(r"[0-9A-Fa-f]{64}|[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){31}")


def import_clients(parameters: Parameters, tables: Tables, draft: Draft) -> bool:
    """Make the connectors of port 25, and return whether strangers may send to our own domains."""
    verdicts = [verdict(name, parameters, tables, draft) for name in LISTS]
    strict = [each for each in verdicts if not each.everybody]
    if not strict:
        why = "its restriction lists refuse nobody, so that everybody may relay; no connector was made"
        instead = "say who may send, by a connector that lists addresses, certificates or accounts"
        draft.leave("smtpd_relay_restrictions", why, instead)
        return True
    doors = set.intersection(*(_doors(each) for each in strict))
    networks_of_ours = _mynetworks(parameters, tables, draft)
    needs_tls = parameters.text("smtpd_tls_security_level") == "encrypt" or parameters.is_on("smtpd_enforce_tls")
    refused = [entry for each in verdicts for entry in each.addresses if not entry[1]]
    if "networks" in doors:
        _addresses("mynetworks", [*refused, *networks_of_ours], needs_tls, draft)
    elif networks_of_ours:
        draft.note("mynetworks", "no connector: the restriction lists permit it nowhere that counts")
    if "access" in doors:
        entries = [entry for each in strict for entry in each.addresses]
        _addresses("check_client_access", entries, needs_tls, draft)
    if "certificates" in doors:
        _certificates(parameters, tables, draft)
    if "accounts" in doors:
        import_accounts(parameters, tables, draft)
    return all(each.strangers for each in verdicts)


def _doors(given: Verdict) -> set[str]:
    names = {
        Door.NETWORKS: "networks",
        Door.ACCOUNTS: "accounts",
        Door.CERTIFICATES: "certificates",
    }
    found = {names[door] for door in given.doors}
    return found | {"access"} if any(lets_in for _, lets_in in given.addresses) else found


def _addresses(name: str, entries: list[tuple[Network, bool]], needs_tls: bool, draft: Draft) -> None:
    listed = first_wins(entries)
    if not listed:
        return
    if covers_everybody(listed):
        why = "it is every address, so that the whole Internet may relay; no connector was made"
        draft.leave(name, why, "list the addresses of your own clients in a connector")
        return
    connector = said(
        InboundConnector,
        name=unused_name(name, [each.name for each in draft.inbound_connectors]),
        comment=f"From {name} of Postfix",
        sender_ip_addresses=tuple(listed),
        require_tls=needs_tls or None,
    )
    draft.inbound_connectors.append(connector)
    draft.note(name, f"inbound connector {connector.name!r}, of {len(listed)} address entries")


def _mynetworks(parameters: Parameters, tables: Tables, draft: Draft) -> list[tuple[Network, bool]]:
    if not parameters.is_set("mynetworks"):
        style = parameters.text("mynetworks_style")
        if style != "host":
            why = f"mynetworks is not set, and mynetworks_style = {style} means what this machine is connected to"
            draft.leave("mynetworks_style", why, "list those networks in the connector mynetworks")
        draft.note("mynetworks", "not set: this machine itself, 127.0.0.0/8 and ::1")
        return [(network, True) for text in ("127.0.0.0/8", "::1") for network in networks(text)]
    return list(_entries("mynetworks", parameters.words("mynetworks"), tables, draft))


def _entries(name: str, given: list[str], tables: Tables, draft: Draft) -> Iterator[tuple[Network, bool]]:
    for word in given:
        lets_in, text = not word.startswith("!"), word.lstrip("!")
        if text.startswith("/"):
            content = tables.text(name, tables.found(text))
            lines = [line.partition("#")[0].replace(",", " ") for line in content.splitlines()]
            inside = [each for line in lines for each in line.split()]
            for network, lets in _entries(name, inside, tables, draft):
                yield network, lets is lets_in
            continue
        if ":" in text and not text.startswith("[") and text.partition(":")[0].isalpha():
            for entry in tables.table(name, text):
                yield from _network(name, entry.key, lets_in and not entry.value.upper().startswith("REJECT"), draft)
            continue
        yield from _network(name, text, lets_in, draft)


def _network(name: str, text: str, lets_in: bool, draft: Draft) -> Iterator[tuple[Network, bool]]:
    try:
        for network in networks(text.replace("[", "").replace("]", "")):
            yield network, lets_in
    except ValueError:
        why = f"{text!r} is no address and no network"
        draft.leave(name, why, "list the addresses of that host in the connector mynetworks")


def _certificates(parameters: Parameters, tables: Tables, draft: Draft) -> None:
    found = tables.of("relay_clientcerts", parameters.words("relay_clientcerts"))
    fingerprints = tuple(entry.key for entry in found if _SHA_256.fullmatch(entry.key))
    if len(fingerprints) < len(found):
        digest = parameters.text("smtpd_tls_fingerprint_digest")
        why = f"{len(found) - len(fingerprints)} fingerprints are {digest}, which is no proof any more"
        instead = "list them anew in the connector, as `openssl x509 -noout -fingerprint -sha256` prints them"
        draft.leave("relay_clientcerts", why, instead)
    if fingerprints:
        connector = said(
            InboundConnector,
            name=unused_name("relay_clientcerts", [each.name for each in draft.inbound_connectors]),
            comment="From relay_clientcerts of Postfix",
            require_tls=True,
            tls_sender_certificate_fingerprints=fingerprints,
        )
        draft.inbound_connectors.append(connector)
        draft.note("relay_clientcerts", f"inbound connector {connector.name!r}, of {len(fingerprints)} certificates")


def import_accounts(parameters: Parameters, tables: Tables, draft: Draft) -> None:
    """Say where accounts were, and make those that smtpd_sender_login_maps names, without passwords. Once."""
    if any(each.what == "smtpd_sasl_auth_enable" for each in draft.left):
        return
    kind = parameters.text("smtpd_sasl_type")
    why = f"accounts and passwords are in {kind} ({parameters.text('smtpd_sasl_path')}), which keeps them as hashes"
    instead = "give each device an account: staffetta account new-password, and [[accounts]]"
    senders: dict[str, list[str]] = {}
    for entry in tables.of("smtpd_sender_login_maps", parameters.words("smtpd_sender_login_maps")):
        sender = f"*{entry.key}" if entry.key.startswith("@") else entry.key
        for login in entry.value.replace(",", " ").split():
            senders.setdefault(login, []).append(sender)
    for login, sends_as in senders.items():
        others = tuple(each for each in sends_as if each != login and _is_sender(each))
        draft.accounts.append(said(Account, user_name=login, send_as=others or None))
    if senders:
        draft.note("smtpd_sender_login_maps", f"{len(senders)} accounts, which have no passwords yet")
        instead = "give each of [[accounts]] a password: staffetta account new-password"
    draft.leave("smtpd_sasl_auth_enable", why, instead)


def _is_sender(text: str) -> bool:
    try:
        parse_mailbox(text.replace("*", "any", 1) if text.startswith("*@") else text)
    except AddressError:
        return False
    return True
