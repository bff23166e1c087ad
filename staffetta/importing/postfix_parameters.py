"""Parameters of Postfix with their defaults: those that an import looks at, as Postfix 3.7 has them."""

import re
from collections.abc import Mapping

from staffetta.importing.draft import CannotImport
from staffetta.importing.postfix_text import expand, words

DEFAULTS: Mapping[str, str] = {
    "compatibility_level": "0",
    "config_directory": "/etc/postfix",
    "queue_directory": "/var/spool/postfix",
    "mydomain": "",  # from myhostname, below
    "myorigin": "$myhostname",
    "mydestination": "$myhostname, localhost.$mydomain, localhost",
    "mynetworks_style": "${{$compatibility_level} <level {2} ? {subnet} : {host}}",
    "inet_interfaces": "all",
    "inet_protocols": "all",
    "relay_domains": "${{$compatibility_level} <level {2} ? {$mydestination} :}",
    "parent_domain_matches_subdomains": "debug_peer_list,fast_flush_domains,mynetworks,permit_mx_backup_networks,"
    "qmqpd_authorized_clients,relay_domains,smtpd_access_maps",
    "local_transport": "local:$myhostname",
    "virtual_transport": "virtual",
    "relay_transport": "relay",
    "default_transport": "smtp",
    "smtpd_relay_restrictions": "${{$compatibility_level} <level {1} ? {} : {permit_mynetworks, "
    "permit_sasl_authenticated, defer_unauth_destination}}",
    "smtpd_sasl_auth_enable": "no",
    "smtpd_sasl_type": "cyrus",
    "smtpd_sasl_path": "smtpd",
    "smtpd_tls_key_file": "$smtpd_tls_cert_file",
    "smtpd_tls_fingerprint_digest": "${{$compatibility_level} <level {3.6} ? {md5} : {sha256}}",
    "smtp_tls_key_file": "$smtp_tls_cert_file",
    "smtp_tls_fingerprint_digest": "${{$compatibility_level} <level {3.6} ? {md5} : {sha256}}",
    "smtp_tls_verify_cert_match": "hostname",
    "smtp_tls_secure_cert_match": "nexthop, dot-nexthop",
    "lmtp_tcp_port": "24",
    "smtp_tcp_port": "smtp",
    "message_size_limit": "10240000",
}

# About this machine, its programs and its files; they have no meaning for another mail server.
_OF_THE_PROGRAM = re.compile(
    r".*_directory|.*_path(?<!sasl_path)|mail_owner|setgid_group|compatibility_level|debug(ger)?_.*|biff|default_privs"
    r"|.*_session_cache_(database|timeout)|unknown_local_recipient_reject_code|append_(dot_mydomain|at_myorigin)"
    r"|maillog_.*|syslog_.*|import_environment|export_environment|process_.*|.*_service_name|mail_name|smtpd_banner"
    r"|tls_random_.*|.*_map_reject_code|shlib_.*|meta_.*|multi_instance_.*|soft_bounce|smtpd_helo_required"
    r"|disable_vrfy_command|strict_rfc821_envelopes|smtpd_delay_reject|smtp_tls_note_starttls_offer|.*_tls_loglevel"
    r"|smtpd_tls_(received_header|auth_only)|smtp_sasl_(tls_)?security_options|smtp_cname_overrides_servername|alias_(maps"
    r"|database)|smtpd_sasl_(tls_)?security_options|smtpd_sasl_local_domain|broken_sasl_auth_clients|mailbox_size_limit"
    r"|recipient_delimiter|enable_long_queue_ids|smtputf8_.*|(smtpd?_)?tls_(e|d)h.*|smtpd_tls_(e|d)h.*|bounce_queue_lifetime"
)


class Parameters:
    """main.cf, or main.cf under the `-o` of a service. Remembers what was looked at."""

    def __init__(self, declared: Mapping[str, str], hostname: str, looked_at: set[str] | None = None) -> None:
        self.declared = declared
        self._hostname = hostname
        self._looked_at: set[str] = looked_at if looked_at is not None else set()
        self._under_way: list[str] = []

    def under(self, options: Mapping[str, str]) -> "Parameters":
        """Return these parameters as a service of master.cf sees them."""
        return Parameters({**self.declared, **options}, self._hostname, self._looked_at)

    def is_set(self, name: str) -> bool:
        """Whether the files say it."""
        self._looked_at.add(name)
        return name in self.declared

    def text(self, name: str) -> str:
        """Return the value, everything in it filled in; empty where there is none. Raises CannotImport."""
        self._looked_at.add(name)
        if name in self._under_way:
            raise CannotImport(f"{name} names itself by way of {' and '.join(self._under_way)}; mend main.cf first")
        if name not in self.declared and name in ("myhostname", "mydomain"):
            return self._hostname if name == "myhostname" else _domain_of(self.text("myhostname"))
        self._under_way.append(name)
        try:
            return expand(self.declared.get(name, DEFAULTS.get(name, "")), self.text).strip()
        finally:
            self._under_way.pop()

    def words(self, name: str) -> list[str]:
        """Return the value's words; what stands in braces is one."""
        return words(self.text(name))

    def is_on(self, name: str) -> bool:
        """Whether it says yes."""
        return self.text(name).lower() == "yes"

    def untouched(self) -> list[str]:
        """Return the names of main.cf that nobody has asked for, without those that mean nothing elsewhere."""
        return [name for name in self.declared if name not in self._looked_at and not _OF_THE_PROGRAM.fullmatch(name)]


def _domain_of(hostname: str) -> str:
    return hostname.partition(".")[2] if hostname.count(".") > 1 else hostname
