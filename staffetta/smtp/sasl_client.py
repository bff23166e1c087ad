"""SASL mechanisms, the client's side (RFC 4954 §4): the server's challenges in, lines out.

Rule 1: the initial response goes with the command, except for LOGIN, which has none; so a login takes one round trip.
Rule 2: a challenge that the mechanism does not know of cancels the exchange.
Rule 3: nothing here is shown: a line may hold a secret.
"""

import base64
from collections import deque

from staffetta.smtp.credentials import Credentials, Mechanism, PasswordLogin, TokenLogin

CANCEL = b"*"


class ClientExchange:
    """One run of a mechanism. Lines are without their line end.

    credentials: for XOAUTH2 a TokenLogin, else a PasswordLogin.
    """

    __slots__ = ("_command", "_responses")

    def __init__(self, mechanism: Mechanism, credentials: Credentials) -> None:
        user_name = credentials.user_name.encode()
        match credentials:
            case TokenLogin(token=token):
                # After a failure, the server's challenge holds the reason, and an empty response asks for the reply.
                message = b"user=" + user_name + b"\x01auth=Bearer " + token.encode() + b"\x01\x01"
                responses: tuple[bytes, ...] = (b"",)
            case PasswordLogin(password=password) if mechanism is Mechanism.LOGIN:
                message, responses = b"", (_encoded(user_name), _encoded(password))
            case PasswordLogin(password=password):
                message, responses = b"\0" + user_name + b"\0" + password, ()  # RFC 4616 §2
        self._command = b"AUTH " + mechanism.encode() + (b" " + _encoded(message) if message else b"")
        self._responses = deque(responses)

    def begin(self) -> bytes:
        """Return the AUTH command."""
        return self._command

    def respond(self) -> bytes:
        """Return the response to the challenge that has come."""
        return self._responses.popleft() if self._responses else CANCEL


def _encoded(octets: bytes) -> bytes:
    return base64.b64encode(octets)
