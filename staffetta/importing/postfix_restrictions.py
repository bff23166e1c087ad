"""Restriction lists of Postfix: what a list does to a client that wants to reach the outside, and to a stranger.

A list is read as smtpd reads it, word by word, for two recipients: one elsewhere, and one in a domain that is ours. Who
is permitted before the list refuses the first one may relay, as far as this list is concerned; every list must agree.
"""

from dataclasses import dataclass, field
from enum import Enum

from staffetta.importing.draft import Draft
from staffetta.importing.postfix_parameters import Parameters
from staffetta.importing.postfix_tables import Tables
from staffetta.settings.addresses import Network, networks

LISTS = (
    "smtpd_client_restrictions",
    "smtpd_helo_restrictions",
    "smtpd_sender_restrictions",
    "smtpd_relay_restrictions",
    "smtpd_recipient_restrictions",
)


class Door(Enum):
    """By what a client may be permitted."""

    NETWORKS = "permit_mynetworks"
    ACCOUNTS = "permit_sasl_authenticated"
    CERTIFICATES = "permit_tls_clientcerts"


@dataclass(slots=True)
class Verdict:
    """What one list says. everybody: it refuses nobody at all. strangers: others reach our own domains.

    addresses: networks of access tables, and whether they are let in; the first that holds decides.
    """

    doors: set[Door] = field(default_factory=set)
    addresses: list[tuple[Network, bool]] = field(default_factory=list)
    everybody: bool = True
    strangers: bool = True


_ENDS = ("reject", "defer")
_NOT_OURS = ("reject_unauth_destination", "defer_unauth_destination")
_ALWAYS_SO = {
    "reject_unlisted_recipient": "recipients that an Authoritative domain does not list are refused",
    "reject_sender_login_mismatch": "an account sends as itself, and as its send_as says",
    "reject_authenticated_sender_login_mismatch": "an account sends as itself, and as its send_as says",
    "reject_known_sender_login_mismatch": "an account sends as itself, and as its send_as says",
    "reject_unauth_pipelining": "commands before their time are refused",
    "reject_invalid_helo_hostname": "a HELO that is no name and no address is refused",
    "permit_auth_destination": "accepted domains take mail from everybody",
}
_WITH_ARGUMENT = (
    *("check_client_access", "check_policy_service", "reject_rbl_client", "reject_rhsbl_client", "reject_rhsbl_helo"),
    *("reject_rhsbl_sender", "reject_rhsbl_recipient", "reject_rhsbl_reverse_client", "permit_dnswl_client"),
    *("permit_rhswl_client", "check_sender_access", "check_recipient_access", "check_helo_access", "check_etrn_access"),
    *("check_ccert_access", "check_sasl_access", "check_reverse_client_hostname_access", "check_sender_mx_access"),
    *("check_sender_ns_access", "check_sender_a_access", "check_recipient_mx_access", "check_recipient_ns_access"),
    *("check_recipient_a_access", "check_helo_mx_access", "check_helo_ns_access", "check_helo_a_access", "sleep"),
    *("check_client_a_access", "check_client_mx_access", "check_client_ns_access", "check_reverse_client_hostname_a"),
)
_INSTEAD_OF_CHECKING = (
    "what reputation and content say belongs to the host that takes mail from the Internet; put a filter in front, and "
    "name it in a connector"
)


def verdict(name: str, parameters: Parameters, tables: Tables, draft: Draft) -> Verdict:
    """Return what a restriction list comes to."""
    result = Verdict()
    following = iter(parameters.words(name))
    for given in following:
        word = given.strip("{}").split(None, 1)[0] if given.startswith("{") else given
        argument = given.strip("{}").split(None, 1)[1] if given.startswith("{") and " " in given else ""
        word = word.lower()
        if word in _ENDS:
            result.everybody = result.strangers = False
            break
        if word in _NOT_OURS:
            result.everybody = False
            continue
        if word == "permit":
            break
        if word in _WITH_ARGUMENT:
            argument = argument or next(following, "")
        _word(name, word, argument, result, parameters, tables, draft)
    return result


def _word(
    name: str, word: str, argument: str, result: Verdict, parameters: Parameters, tables: Tables, draft: Draft
) -> None:
    what = f"{name}, {word}" + (f" {argument}" if argument else "")
    if not result.everybody and word.startswith("permit"):
        return  # mail to the outside has been refused by then
    if word in {each.value for each in Door}:
        door = Door(word)
        if door is not Door.ACCOUNTS or parameters.is_on("smtpd_sasl_auth_enable"):
            result.doors.add(door)
    elif word == "check_client_access":
        _client_access(what, tables, argument, result, draft)
    elif word in _ALWAYS_SO:
        draft.note(what, _ALWAYS_SO[word])
    elif word == "permit_tls_all_clientcerts":
        instead = "a connector with tls_sender_certificate_name, or with fingerprints, for those clients"
        draft.leave(what, "any certificate of any authority would do; a connector names whose it is", instead)
    elif word == "warn_if_reject":
        return
    else:
        draft.leave(what, "the relay does not ask this about a client", _INSTEAD_OF_CHECKING)


def _client_access(what: str, tables: Tables, argument: str, result: Verdict, draft: Draft) -> None:
    for entry in tables.table(what, argument):
        action = entry.value.split(None, 1)[0].upper() if entry.value else ""
        if action in ("DUNNO", ""):
            continue
        lets_in = action in ("OK", "PERMIT") or (action.isdigit() and not action.startswith(("4", "5")))
        network = _network(entry.key)
        if network is None:
            why = f"{entry.key} is a name, and a connector knows clients by address, certificate or account"
            draft.leave(what, why, "list the addresses of those hosts in a connector")
        elif lets_in:
            result.addresses.append((network, True))
        else:
            result.addresses.append((network, False))
            why = f"{entry.key} was refused ({entry.value}); here it is left out of every connector, and is a stranger"
            draft.leave(what, why, "to refuse it altogether, block it in the firewall")


def _network(key: str) -> Network | None:
    """An address, a network, or the first octets of one, such as `192.168.1`."""
    key = key.replace("[", "").replace("]", "")
    octets = key.split(".")
    if 1 < len(octets) < 4 and all(each.isdigit() for each in octets):
        key = f"{'.'.join(octets + ['0'] * (4 - len(octets)))}/{8 * len(octets)}"
    try:
        (network,) = networks(key)
    except ValueError:
        return None
    return network
