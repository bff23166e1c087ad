"""Sign-in of people at the console: a proof for a secret that a cookie holds, and back to who it is.

Rule: a name that is unknown is told, and takes as long, as a wrong password.
"""

from functools import cache

from staffetta.directory import sign_ins
from staffetta.directory.store import Author, Directory
from staffetta.operations.access import told
from staffetta.operations.errors import OperationError
from staffetta.operations.roles import Caller, Role
from staffetta.settings.model import Settings
from staffetta.settings.passwords import hash_password, new_password, verify

SOURCE = "console"


class SignInRefused(OperationError):
    """The proof is not good, or the name is unknown; the text does not say which."""

    kind = "UnauthorizedAccessException"


def sign_in(directory: Directory, settings: Settings, *, name: str, password: str, address: str | None) -> str:
    """Check a password, and return the secret of a new sign-in. Takes some tens of milliseconds.

    address: the client's. Raises SignInRefused, Unavailable.
    """
    with told():
        hashed = sign_ins.password_hash_of(directory, name)
        is_right = verify(hashed or _nobodys_hash(), password.encode())
        if hashed is None or not is_right:
            raise SignInRefused("Name or password is wrong.")
        author = Author(name, SOURCE, "Sign-In", address=address)
        with directory.change(settings, author) as change:
            return sign_ins.begin(change, name)


def signed_in(directory: Directory, secret: str, address: str | None) -> Caller | None:
    """Return who signed in with this secret; None where nobody did, or it has ended. Raises Unavailable."""
    with told():
        person = sign_ins.signed_in(directory, secret)
    if person is None:
        return None
    roles = frozenset(map(Role, person.roles))
    return Caller(person.name, roles, SOURCE, organization=person.organization, address=address)


def sign_out(directory: Directory, settings: Settings, secret: str, caller: Caller) -> None:
    """End a sign-in; one that has ended already is left so. Raises Unavailable."""
    author = Author(caller.name, SOURCE, "Sign-Out", address=caller.address, organization=caller.organization)
    with told(), directory.change(settings, author) as change:
        sign_ins.end(change, secret)


@cache
def _nobodys_hash() -> str:
    return hash_password(new_password())
