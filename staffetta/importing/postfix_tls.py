"""TLS of Postfix's client: smtp_tls_security_level and smtp_tls_policy_maps, as the keys of a route."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from staffetta.importing.draft import Draft, unused_name
from staffetta.importing.postfix_parameters import Parameters
from staffetta.importing.postfix_tables import Tables
from staffetta.settings.objects import TrustedAuthority
from staffetta.settings.roads import TlsLevel, TlsVersion

Keys = dict[str, Any]
"""Keys of a Route."""

_SYSTEM_AUTHORITIES = (
    *("/etc/ssl/certs", "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"),
    *("/etc/ssl/cert.pem", "/etc/pki/tls/cert.pem", "/usr/share/ssl/certs/ca-bundle.crt"),
)
_SHA_256 = re.compile(r"[0-9A-Fa-f]{64}|[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){31}")
_VERSIONS = {"TLSv1": TlsVersion.TLS_1_0, "TLSv1.1": TlsVersion.TLS_1_1, "TLSv1.3": TlsVersion.TLS_1_3}


def policy(parameters: Parameters, nexthops: list[str], tables: Tables) -> tuple[str, Mapping[str, str]]:
    """Return the level and the attributes for a next hop as Postfix writes it, by the most particular of its names."""
    entries = {e.key: e.value for e in tables.of("smtp_tls_policy_maps", parameters.words("smtp_tls_policy_maps"))}
    for name in nexthops:
        if name in entries:
            level, *attributes = entries[name].replace(",", " ").split() or [""]
            return level, dict(_attribute(each) for each in attributes)
    return default_level(parameters), {}


def default_level(parameters: Parameters) -> str:
    """Return smtp_tls_security_level, or what its forerunners come to."""
    if level := parameters.text("smtp_tls_security_level"):
        return level
    if parameters.is_on("smtp_enforce_tls"):
        return "verify" if parameters.text("smtp_tls_enforce_peername") != "no" else "encrypt"
    return "may" if parameters.is_on("smtp_use_tls") else "none"


def tls_keys(
    level: str, attributes: Mapping[str, str], domain: str | None, parameters: Parameters, draft: Draft, *, is_mx: bool
) -> Keys:
    """Return what a route says. domain: the next hop's, for `nexthop` and `dot-nexthop` in a match."""
    keys: Keys = _identity(parameters)
    if version := _VERSIONS.get(attributes.get("protocols", "").removeprefix(">=")):
        keys["tls_minimum"] = version
    match level:
        case "none" | "may":
            if level == "none":
                keys = {}
            return {**keys, "tls": TlsLevel(level.replace("may", "opportunistic"))}
        case "encrypt":
            return {**keys, "tls": TlsLevel.REQUIRED}
        case "dane" | "dane-only" | "half-dane":
            if is_mx:
                return {**keys, "tls": TlsLevel.OPPORTUNISTIC, **({"dane_required": True} if "-only" in level else {})}
            why = "fixed next hops are not asked for TLSA records"
            draft.leave(f"smtp_tls_security_level = {level}", why, 'write tls = "verified" in that route')
            return {**keys, "tls": TlsLevel.REQUIRED}
        case "fingerprint":
            return {**keys, **_pinned(attributes, parameters, draft)}
        case "verify" | "secure":
            match = attributes.get("match") or parameters.text(f"smtp_tls_{level}_cert_match")
            return {**keys, "tls": TlsLevel.VERIFIED, **_names(match, domain), **_authority(parameters, draft)}
        case _:
            why = f"{level!r} is no level that we know"
            draft.leave("smtp_tls_security_level", why, "write tls in that route; verified was taken")
            return {**keys, "tls": TlsLevel.VERIFIED}


def _attribute(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _names(match: str, domain: str | None) -> Keys:
    """Of a match such as `nexthop:dot-nexthop:.example.com`; nothing where the host's own name is enough."""
    names: list[str] = []
    for word in re.split(r"[:,\s]+", match):
        if word == "hostname":
            return {}
        if word in ("nexthop", "dot-nexthop"):
            if domain is not None:
                names.append(f"*.{domain}" if word == "dot-nexthop" else domain)
        elif word:
            names.append(f"*{word}" if word.startswith(".") else word)
    return {"tls_names": tuple(name.lower() for name in names)} if names else {}


def _pinned(attributes: Mapping[str, str], parameters: Parameters, draft: Draft) -> Keys:
    given = attributes.get("match") or parameters.text("smtp_tls_fingerprint_cert_match")
    wanted = [each for each in re.split(r"[|,\s]+", given) if each]
    pins = tuple(each for each in wanted if _SHA_256.fullmatch(each))
    if pins and len(pins) == len(wanted):
        return {"tls": TlsLevel.VERIFIED, "tls_fingerprints": pins}
    why = f"its fingerprints are {parameters.text('smtp_tls_fingerprint_digest')}, which is no proof any more"
    instead = "write tls_fingerprints as `openssl x509 -noout -fingerprint -sha256` prints them; until then: verified"
    draft.leave("smtp_tls_security_level = fingerprint", why, instead)
    return {"tls": TlsLevel.VERIFIED, **({"tls_fingerprints": pins} if pins else {})}


def _identity(parameters: Parameters) -> Keys:
    """The certificate that we show."""
    chains = parameters.words("smtp_tls_chain_files")
    certificate = chains[0] if chains else parameters.text("smtp_tls_cert_file")
    key = chains[0] if chains else parameters.text("smtp_tls_key_file")
    if not certificate:
        return {}
    return {"client_certificate": Path(certificate), **({"client_key": Path(key)} if key != certificate else {})}


def _authority(parameters: Parameters, draft: Draft) -> Keys:
    folder, file = parameters.text("smtp_tls_CApath"), parameters.text("smtp_tls_CAfile")
    if file in _SYSTEM_AUTHORITIES or folder in _SYSTEM_AUTHORITIES or not (file or folder):
        return {}
    if not file:
        why = f"{folder} is a folder of hashed names"
        instead = "write its certificates to one file, as a trusted authority; public was taken"
        draft.leave("smtp_tls_CApath", why, instead)
        return {}
    for authority in draft.trusted_authorities:
        if authority.certificates == Path(file):
            return {"trusted_authority": authority.name}
    name = unused_name("smtp_tls_CAfile", [each.name for each in draft.trusted_authorities])
    draft.trusted_authorities.append(TrustedAuthority(name=name, certificates=Path(file)))
    draft.note("smtp_tls_CAfile", f"trusted authority {name!r}, {file}")
    return {"trusted_authority": name}
