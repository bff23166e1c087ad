"""Which listener gets what lies in the drop folder: the first that a program on this machine can simply speak to."""

from staffetta.settings.addresses import networks
from staffetta.settings.model import Listener, ListenerKind, Settings

_ANY = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}


def listener_for_drops(settings: Settings) -> Listener | None:
    """Return it; None where there is none: kind relay, TLS by STARTTLS if at all, and no PROXY header from here."""
    return next((each for each in settings.listeners if _is_simple(each)), None)


def from_here(address: str) -> str:
    """Return `IP:port` as this machine reaches it: loopback for a listener on all addresses."""
    host, _, port = address.rpartition(":")
    return f"{_ANY.get(host, host)}:{port}"


def _is_simple(listener: Listener) -> bool:
    if listener.kind is not ListenerKind.RELAY or listener.implicit_tls:
        return False
    (here,) = networks(from_here(listener.address).rpartition(":")[0].strip("[]"))
    wanted = (network for text in listener.proxy_protocol_from for network in networks(text))
    return not any(here.version == each.version and here.subnet_of(each) for each in wanted)  # type: ignore[arg-type]
