"""The first administrator: made by whoever has the one-time code that the relay prints while there is none."""

from dataclasses import dataclass

from staffetta.directory.administrators import administrators
from staffetta.directory.sign_ins import CODE_REFUSED, first_code_opens, redeem_first_code
from staffetta.directory.store import Author, Directory
from staffetta.directory.tokens import add_starter_token
from staffetta.operations.access import told
from staffetta.operations.errors import BadValue, OperationError
from staffetta.operations.roles import Role
from staffetta.settings.model import Settings
from staffetta.settings.passwords import hash_password, new_password

PASSWORD_LENGTH_MIN = 12
TOKEN_SECONDS = 12 * 3600.0
"""Long enough to set the relay up, and to make tokens that last."""


@dataclass(frozen=True, slots=True)
class FirstAdministrator:
    """password: None where the administrator chose it. expires_at: of the token, seconds since 1970."""

    name: str
    password: str | None
    token: str
    expires_at: float


def make_first_administrator(
    directory: Directory, settings: Settings, *, code: str, name: str, password: str | None, address: str | None
) -> FirstAdministrator:
    """Use the code up, and return what the first administrator signs in with; a password is made where none is given.

    address: the client's. Raises BadValue, OperationError.
    """
    if password is not None and len(password) < PASSWORD_LENGTH_MIN:
        raise BadValue(f"Write {PASSWORD_LENGTH_MIN} characters at least, or none to get one.", parameter="Password")
    author = Author(name, "api", "New-Administrator", address=address)
    with told():
        # Both are asked before the slow hash, so that a stranger cannot keep us at it.
        if administrators(directory):
            raise OperationError("There is an administrator already; ask him.")
        if not first_code_opens(directory, code):
            raise OperationError(CODE_REFUSED)
        chosen = password or new_password()
        hashed = hash_password(chosen)
        with directory.change(settings, author) as change:
            redeem_first_code(change, code, name, hashed)
            expires_at = change.at + TOKEN_SECONDS
            token = add_starter_token(change, name, [Role.ORGANIZATION_MANAGEMENT], expires_at=expires_at)
    return FirstAdministrator(name, None if password else chosen, token, expires_at)
