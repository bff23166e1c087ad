"""Passkeys (WebAuthn Level 2): made for who has signed in, and then in the place of password and code.

Rule 1: a passkey asks its holder to prove himself (user verification), so that it is two proofs at once.
Rule 2: a challenge is for one visitor, for ten minutes, and opens once; none is kept until it has.
Rule 3: origin and host are those that the browser's request came to; a passkey is of the host where it was made.
"""

import hashlib
import hmac
import json
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

import webauthn
from webauthn.helpers import base64url_to_bytes, parse_authentication_credential_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from staffetta.directory import second_factors
from staffetta.directory.second_factors import Passkey
from staffetta.directory.store import Author, Directory
from staffetta.operations.access import told
from staffetta.operations.errors import BadValue, OperationError
from staffetta.operations.roles import Caller
from staffetta.settings.model import Settings

__all__ = ["Passkey", "Passkeys", "Visitor"]

CHALLENGE_SECONDS = 600
_USED_MAX = 10_000
_NAME_LENGTH_MAX = 64
_NOT_ACCEPTED = "This passkey was not accepted. Load the page again, and try again."


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who answers a challenge. secret: of his cookie. origin: of the page, such as https://relay.example.org:8025."""

    secret: str
    origin: str

    @property
    def host(self) -> str:
        """What passkeys are bound to: the origin's name; empty where it is an address, which can have none."""
        host = urlsplit(self.origin).hostname or ""
        try:
            ip_address(host)
        except ValueError:
            return host
        return ""


class Passkeys:
    """See the head of this file. Calls block for milliseconds, and come from any thread."""

    def __init__(self, directory: Directory, get_settings: Callable[[], Settings]) -> None:
        self._directory = directory
        self._get_settings = get_settings
        self._key = secrets.token_bytes(32)
        self._used: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, caller: Caller) -> Sequence[Passkey]:
        """Return the caller's own. Raises Unavailable."""
        with told():
            return second_factors.passkeys(self._directory, caller.name)

    def to_sign_in(self, visitor: Visitor) -> str:
        """Return what the browser must be told for a sign-in, as JSON; empty where no passkey can be."""
        if not visitor.host:
            return ""
        options = webauthn.generate_authentication_options(
            rp_id=visitor.host,
            challenge=self._challenge(visitor),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return webauthn.options_to_json(options)

    def to_make(self, visitor: Visitor, caller: Caller) -> str:
        """Return what the browser must be told to make a passkey, as JSON. Raises Unavailable."""
        options = webauthn.generate_registration_options(
            rp_id=visitor.host,
            rp_name="Staffetta",
            user_name=caller.name,
            user_id=hashlib.sha256(caller.name.casefold().encode()).digest(),
            challenge=self._challenge(visitor),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=each.credential) for each in self.of(caller)],
        )
        return webauthn.options_to_json(options)

    def make(self, visitor: Visitor, caller: Caller, label: str, answer: str) -> None:
        """Keep the passkey that the browser made. answer: its JSON. Raises BadValue, OperationError."""
        label = label.strip()
        if not label or len(label) > _NAME_LENGTH_MAX or not label.isprintable():
            raise BadValue(f"Write a name of {_NAME_LENGTH_MAX} characters at most.", parameter="Name")
        try:
            made = webauthn.verify_registration_response(
                credential=answer,
                expected_challenge=self._answered(visitor, answer),
                expected_rp_id=visitor.host,
                expected_origin=visitor.origin,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError) as error:
            raise OperationError(_NOT_ACCEPTED) from error
        with told(), self._directory.change(self._get_settings(), _author(caller, "Add-Passkey")) as change:
            second_factors.add_passkey(
                change, caller.name, label, made.credential_id, made.credential_public_key, made.sign_count
            )

    def remove(self, caller: Caller, credential: str) -> None:
        """Take one of the caller's own back. credential: its id in hexadecimal. Raises NotFound."""
        try:
            octets = bytes.fromhex(credential)
        except ValueError:
            octets = b""
        with told(), self._directory.change(self._get_settings(), _author(caller, "Remove-Passkey")) as change:
            second_factors.remove_passkey(change, caller.name, octets)

    def holder(self, visitor: Visitor, answer: str) -> str:
        """Return the administrator who proved himself. answer: the browser's JSON. Raises OperationError."""
        try:
            credential = parse_authentication_credential_json(answer)
            with told():
                passkey = second_factors.find_passkey(self._directory, credential.raw_id)
            if passkey is None:
                raise OperationError(_NOT_ACCEPTED)
            proof = webauthn.verify_authentication_response(
                credential=credential,
                expected_challenge=self._answered(visitor, answer),
                expected_rp_id=visitor.host,
                expected_origin=visitor.origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=passkey.sign_count,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError) as error:
            raise OperationError(_NOT_ACCEPTED) from error
        with told():
            if not second_factors.note_passkey(self._directory, passkey, proof.new_sign_count):
                raise OperationError(_NOT_ACCEPTED)
        return passkey.administrator

    # Challenges.

    def _challenge(self, visitor: Visitor) -> bytes:
        """When it was made, a chance of its own, and our mark on both and on the visitor."""
        made = int(self._directory.now()).to_bytes(8, "big") + secrets.token_bytes(16)
        return made + self._mark(visitor, made)

    def _answered(self, visitor: Visitor, answer: str) -> bytes:
        """Return the challenge of an answer, and use it up. Raises ValueError where it is none for this visitor."""
        challenge = _challenge_in(answer)
        made, mark = challenge[:24], challenge[24:]
        age = self._directory.now() - int.from_bytes(made[:8], "big")
        if not hmac.compare_digest(mark, self._mark(visitor, made)) or not 0 <= age <= CHALLENGE_SECONDS:
            raise ValueError("a challenge that is not ours, or too old")
        with self._lock:
            if challenge in self._used:
                raise ValueError("a challenge that was answered")
            self._used[challenge] = None
            while len(self._used) > _USED_MAX:
                self._used.popitem(last=False)
        return challenge

    def _mark(self, visitor: Visitor, made: bytes) -> bytes:
        return hmac.new(self._key, visitor.secret.encode() + b"\0" + made, hashlib.sha256).digest()


def _challenge_in(answer: str) -> bytes:
    """Raises ValueError."""
    try:
        client_data = json.loads(base64url_to_bytes(json.loads(answer)["response"]["clientDataJSON"]))
        return base64url_to_bytes(client_data["challenge"])
    except (KeyError, TypeError) as error:
        raise ValueError("no answer of a passkey") from error


def _author(caller: Caller, operation: str) -> Author:
    return Author(caller.name, caller.source, operation, address=caller.address, organization=caller.organization)
