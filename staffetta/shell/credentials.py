"""Passwords in a script: secure strings, and what user name and password are together."""

from staffetta.shell.trouble import ShellError
from staffetta.shell.values import NetObject, text


class SecureString(NetObject):
    """A password that is not shown."""

    type_name = "System.Security.SecureString"
    readable = ("Length",)
    methods = ("Dispose",)

    def __init__(self, words: str) -> None:
        self.words = words
        self.length = len(words)

    def dispose(self) -> None:
        self.words = ""


class Credential(NetObject):
    """PSCredential and NetworkCredential are one here: each has what the other has."""

    type_name = "System.Management.Automation.PSCredential"
    readable = ("UserName", "Password")
    writable = ("UserName", "Password")
    methods = ("GetNetworkCredential",)

    def __init__(self, user_name: object = "", password: object = "") -> None:
        self.user_name = text(user_name)
        self.password = password

    def get_network_credential(self) -> "Credential":
        return Credential(self.user_name, plain(self.password))


def plain(password: object) -> str:
    """Return a password's letters."""
    if isinstance(password, SecureString):
        return password.words
    if password is not None and not isinstance(password, str):
        raise ShellError("A password is a text, or what ConvertTo-SecureString gives.")
    return password or ""
