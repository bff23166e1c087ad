"""Roads of Postfix: `transport:nexthop` in all its forms, relayhost, their TLS and their login, as routes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from staffetta.importing.draft import Draft, said, unused_name
from staffetta.importing.postfix_listeners import port_of
from staffetta.importing.postfix_parameters import Parameters
from staffetta.importing.postfix_tables import Tables
from staffetta.importing.postfix_text import Service
from staffetta.importing.postfix_tls import Keys, policy, tls_keys
from staffetta.settings.outbound import is_host
from staffetta.settings.roads import Authentication, Mechanism, NextHop, Route, TlsLevel, Transport

INTERNET = "internet"
_IMPLICIT_TLS_PORT = 465
_LMTP_PORT = 24
_BRACKETED = re.compile(r"\[([^\]]+)\](?::(\w+))?")
_BARE = re.compile(r"([^\[\]:\s]+)(?::(\w+))?")
_CLIENTS = {"smtp": "smtp", "relay": "smtp", "lmtp": "lmtp"}
_NO_ROAD = {
    "error": ("it refuses the mail, with a text", "leave the domain out: mail to it is then refused to strangers"),
    "retry": ("it defers the mail", "suspend the route's queue: staffetta queue suspend"),
    "discard": (
        "it throws the mail away, and says so to nobody",
        "point a route at a Maildir, and empty that",
    ),
    "hold": ("it holds the mail", "suspend the route's queue: staffetta queue suspend"),
    "local": ("it puts mail into mailboxes of this machine's users", "a route to their server, or one of kind maildir"),
    "virtual": ("it puts mail into mailboxes by tables", "hand it to their server by LMTP, or write a maildir route"),
}


@dataclass(frozen=True, slots=True)
class Hop:
    """host, port; by_mx: Postfix would have asked for its mail exchangers."""

    host: str
    port: int | None
    by_mx: bool

    @property
    def is_socket(self) -> bool:
        """Whether it is a path."""
        return self.host.startswith("/")


@dataclass(slots=True)
class Roads:
    """Makes routes, one for each `transport:nexthop`."""

    parameters: Parameters
    services: Mapping[str, Service]
    tables: Tables
    draft: Draft
    made: dict[tuple[str, str, str], str | None] = field(default_factory=dict)

    def road(self, what: str, service: str, nexthop: str, *, domain: str | None = None) -> str | None:
        """Return the name of the route; None where there can be none, which is said.

        what: whose it is, such as `transport_maps, contoso.com`. nexthop: empty for the mail exchangers. domain: whose
        mail takes it; None for everybody's.
        """
        key = (service, nexthop, (domain or "") if not nexthop else "")
        if not nexthop and domain is not None and not self._has_policy(domain):
            key = (service, "", "")
        if key not in self.made:
            self.made[key] = self._made(what, service, nexthop, key[2] or None)
        return self.made[key]

    def _has_policy(self, domain: str) -> bool:
        entries = self.tables.of("smtp_tls_policy_maps", self.parameters.words("smtp_tls_policy_maps"))
        return any(entry.key == domain for entry in entries)

    def _made(self, what: str, service: str, nexthop: str, domain: str | None) -> str | None:
        declared = self.services.get(service)
        command = declared.command if declared is not None else service
        parameters = self.parameters.under(declared.options) if declared is not None else self.parameters
        client = _CLIENTS.get(command)
        if client is None:
            why, instead = _NO_ROAD.get(
                command, (f"it hands mail to a program, {command}", "let that program listen for SMTP or LMTP")
            )
            self.draft.leave(f"{what} -> {service}:{nexthop}", why, instead)
            return None
        if client == "smtp" and not nexthop:
            return self._by_mx(service, domain, parameters)
        hops = [self._hop(what, each, client) for each in re.split(r"[,\s]+", nexthop) if each]
        if not hops or None in hops:
            return None
        return self._fixed(what, client, nexthop, [hop for hop in hops if hop is not None], parameters)

    def _by_mx(self, service: str, domain: str | None, parameters: Parameters) -> str:
        level, attributes = policy(parameters, [domain] if domain else [], self.tables)
        keys = tls_keys(level, attributes, domain, parameters, self.draft, is_mx=True)
        wanted = f"{INTERNET}, {domain}" if domain else INTERNET if service in ("smtp", "relay") else service
        if keys["tls"] is TlsLevel.OPPORTUNISTIC:
            del keys["tls"]
        name = self._kept(said(Route, name=wanted, transport=Transport.MX, **keys, **self._common(parameters)))
        self.draft.note(f"mail by MX ({service})", f"route {name!r}, which honours DANE and MTA-STS, too")
        return name

    def _fixed(self, what: str, client: str, nexthop: str, hops: Sequence[Hop], parameters: Parameters) -> str:
        named = [nexthop, *(f"[{hop.host}]:{hop.port}" for hop in hops if hop.port), *(hop.host for hop in hops)]
        keys: Keys = self._common(parameters)
        if client == "smtp":
            level, attributes = policy(parameters, named, self.tables)
            keys |= tls_keys(level, attributes, _name_of(hops[0]), parameters, self.draft, is_mx=False)
            if parameters.is_on("smtp_tls_wrappermode") or any(hop.port == _IMPLICIT_TLS_PORT for hop in hops):
                keys["implicit_tls"] = True
            keys |= self._login(what, named, keys, parameters)
            if keys.get("implicit_tls") and keys["tls"] in (TlsLevel.NONE, TlsLevel.OPPORTUNISTIC):
                keys["tls"] = TlsLevel.REQUIRED
            if keys["tls"] is TlsLevel.OPPORTUNISTIC:
                del keys["tls"]
        next_hops = tuple(
            said(
                NextHop,
                host=hop.host,
                port=hop.port or (_LMTP_PORT if client == "lmtp" and not hop.is_socket else None),
            )
            for hop in hops
        )
        fallbacks = [] if client != "smtp" else parameters.words("smtp_fallback_relay")
        spare = [self._hop("smtp_fallback_relay", each, client) for each in fallbacks]
        next_hops += tuple(NextHop(host=hop.host, port=hop.port or 25, priority=10) for hop in spare if hop is not None)
        wanted = "relayhost" if what == "relayhost" else hops[0].host.rpartition("/")[2]
        transport = Transport.LMTP if client == "lmtp" else None
        name = self._kept(said(Route, name=wanted, transport=transport, next_hops=next_hops, **keys))
        self.draft.note(what, f"route {name!r} to {nexthop}")
        return name

    def _kept(self, route: Route) -> str:
        """Add a route under a name that is free; one that is there under another name will do."""
        for made in self.draft.routes:
            if made.model_copy(update={"name": route.name}) == route:
                return made.name
        name = unused_name(route.name, [each.name for each in self.draft.routes])
        self.draft.routes.append(route.model_copy(update={"name": name}))
        return name

    def _hop(self, what: str, text: str, client: str) -> Hop | None:
        if text.startswith("unix:"):
            path = text.removeprefix("unix:")
            whole = path if path.startswith("/") else f"{self.parameters.text('queue_directory')}/{path}"
            return Hop(whole, None, False)
        text = text.removeprefix("inet:")
        match = _BRACKETED.fullmatch(text) or _BARE.fullmatch(text)
        port = port_of(match[2]) if match is not None and match[2] else None
        host = match[1].removeprefix("ipv6:").removeprefix("IPv6:") if match is not None else ""
        if match is None or not is_host(host) or (match[2] and port is None):
            self.draft.leave(f"{what}, {text}", "it is no host and port", "write next_hops of that route by hand")
            return None
        by_mx = client == "smtp" and not text.startswith("[")
        if by_mx:
            why = f"without brackets Postfix asks for the mail exchangers of {host}; a next hop is the host itself"
            instead = f"if it has any (dig MX {host}), write those hosts into next_hops"
            self.draft.leave(f"{what}, {text}", why, instead)
        return Hop(host, port, by_mx)

    def _common(self, parameters: Parameters) -> Keys:
        bound = tuple(
            text for name in ("smtp_bind_address", "smtp_bind_address6") if (text := parameters.text(name).strip("[]"))
        )
        return {"source_addresses": bound} if bound else {}

    def _login(self, what: str, named: Sequence[str], keys: Keys, parameters: Parameters) -> Keys:
        if not parameters.is_on("smtp_sasl_auth_enable"):
            return {}
        maps = parameters.words("smtp_sasl_password_maps")
        entries = {entry.key: entry.value for entry in self.tables.of("smtp_sasl_password_maps", maps)}
        found = next((entries[name] for name in named if name in entries), "")
        user, colon, _ = found.partition(":")
        if not colon or not user:
            return {}
        file = f"/etc/staffetta/secrets/{re.sub(r'[^A-Za-z0-9.-]', '_', named[-1])}"
        mechanisms = parameters.words("smtp_sasl_mechanism_filter")
        mechanism = Mechanism.LOGIN if "login" in [each.lower() for each in mechanisms][:1] else Mechanism.PLAIN
        login = {"mechanism": mechanism} if mechanism is not Mechanism.PLAIN else {}
        why = "a password never stands in the settings; they say where it is"
        instead = f"write what follows {user}: in that table to {file}, readable by the relay alone"
        self.draft.leave(f"smtp_sasl_password_maps, {named[0]}", why, instead)
        result: Keys = {"authentication": Authentication(user_name=user, password=f"file:{file}", **login)}
        if keys["tls"] in (TlsLevel.NONE, TlsLevel.OPPORTUNISTIC):
            result["tls"] = TlsLevel.REQUIRED
            self.draft.note(f"{what}, smtp_tls_security_level", "required, because a login never goes out in clear")
        return result


def _name_of(hop: Hop) -> str | None:
    is_name = any(sign.isalpha() for sign in hop.host) and ":" not in hop.host
    return hop.host.lower() if is_name else None
