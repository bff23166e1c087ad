"""[acme]: a certificate of an authority that speaks ACME (RFC 8555), got and renewed by the relay itself.

Listeners that name no certificate serve with it. Until there is one, the file holds one of our own making, so that the
relay starts, and takes mail, whether or not the authority answers.
"""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, StrictBool

from staffetta.settings.objects import Section, Texts

if TYPE_CHECKING:
    from staffetta.settings.model import Settings


class Challenge(StrEnum):
    """How the authority sees that a name is ours; the port is where it asks."""

    HTTP_01 = "http-01"
    TLS_ALPN_01 = "tls-alpn-01"

    @property
    def port(self) -> int:
        """Where authorities ask, from outside."""
        return 80 if self is Challenge.HTTP_01 else 443


class Acme(Section):
    """A certificate of an authority that speaks ACME, such as Let's Encrypt, for listeners that name none."""

    directory: Annotated[str, Field(description="Where the authority's directory is.")] = (
        "https://acme-v02.api.letsencrypt.org/directory"
    )
    terms_agreed: Annotated[
        StrictBool, Field(description="That you agree to the authority's terms of service; without it there is none.")
    ] = False
    contact: Annotated[Texts, Field(description="Mailboxes that the authority may write to.")] = ()
    names: Annotated[Texts, Field(description="Names in the certificate; left out, hostname.")] = ()
    challenge: Annotated[
        Challenge, Field(description="How the authority asks: http-01 (port 80) or tls-alpn-01 (port 443).")
    ] = Challenge.HTTP_01
    addresses: Annotated[
        Texts,
        Field(description="`IP:port` where it is answered, and only while it asks; left out, every address, its port."),
    ] = ()
    authority_certificates: Annotated[
        Path | None,
        Field(description="PEM of who vouches for the directory's own certificate; left out, public authorities."),
    ] = None
    external_account_id: Annotated[
        str | None, Field(description="Key id of an account with the authority, where it wants one.")
    ] = None
    external_account_key: Annotated[
        str | None, Field(description="Its HMAC key (base64url), by reference: `${VARIABLE}` or `file:/path`.")
    ] = None


def acme_folder(data_dir: Path) -> Path:
    """Return where account, certificate and state are kept."""
    return data_dir / "acme"


def acme_certificate(data_dir: Path) -> Path:
    """Return the file of the certificate with its chain and its key."""
    return acme_folder(data_dir) / "certificate.pem"


def acme_names(settings: "Settings") -> tuple[str, ...]:
    """Return the names that the certificate is to have, in lower case; none where there is no [acme]."""
    if settings.acme is None:
        return ()
    return tuple(dict.fromkeys(name.lower() for name in settings.acme.names or (settings.hostname,)))


def served_by_acme(settings: "Settings") -> "Settings":
    """Return the settings with the certificate at every listener that names none."""
    if settings.acme is None:
        return settings
    path = acme_certificate(settings.data_dir)
    files = {"certificate": path, "private_key": path}
    listeners = (each if each.certificate is not None else each.model_copy(update=files) for each in settings.listeners)
    return settings.model_copy(update={"listeners": tuple(listeners)})
