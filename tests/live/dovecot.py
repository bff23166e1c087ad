"""A Dovecot of our own: LMTP and IMAP on ports of loopback, Maildirs in a temporary folder.

It needs root, as Dovecot does. Any user has a mailbox, and any password is good.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.live.relay import PATIENCE_SECONDS, open_folder, wait_for_port
from tests.ports import free_port

SETTINGS = """
protocols = lmtp imap
disable_plaintext_auth = no
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
ssl = no
mail_location = maildir:{folder}/mail/%n
mail_save_crlf = yes
first_valid_uid = 1
lmtp_save_to_detail_mailbox = no
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid=dovecot gid=dovecot home={folder}/mail/%n allow_all_users=yes
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
}}
service imap-login {{
  inet_listener imap {{
    address = 127.0.0.1
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
"""


def missing() -> str | None:
    """Say why Dovecot cannot be used here, or None."""
    for part in ("lmtp", "imap"):
        if not (Path("/usr/lib/dovecot") / part).exists():
            return f"dovecot-{part}d is not installed"
    return None if os.geteuid() == 0 else "dovecot starts only as root"


@dataclass
class Dovecot:
    """Any local part has a mailbox."""

    port: int = field(default_factory=free_port)
    imap_port: int = field(default_factory=free_port)
    folder: Path = field(default_factory=open_folder)

    def __enter__(self) -> "Dovecot":
        (self.folder / "mail").mkdir(mode=0o700)
        shutil.chown(self.folder / "mail", "dovecot", "dovecot")
        settings = self.folder / "dovecot.conf"
        settings.write_text(SETTINGS.format(folder=self.folder, port=self.port, imap_port=self.imap_port))
        self.process = subprocess.Popen(
            ["dovecot", "-F", "-c", str(settings)], stderr=(self.folder / "errors").open("w")
        )
        wait_for_port(self.port, self.process, lambda: self.log)
        return self

    @property
    def log(self) -> str:
        return "".join(path.read_text() for name in ("errors", "log") if (path := self.folder / name).exists())

    def mailbox(self, local_part: str) -> list[bytes]:
        """The messages in a mailbox, in no order; those that IMAP has seen too."""
        folder = self.folder / "mail" / local_part
        return [path.read_bytes() for name in ("new", "cur") for path in (folder / name).glob("*")]

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE_SECONDS)
        shutil.rmtree(self.folder)
