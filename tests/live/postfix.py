"""A Postfix of our own: unprivileged ports on loopback, its queue in a temporary folder. It starts only as root."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.live.relay import PATIENCE_SECONDS, open_folder, wait_for_port
from tests.ports import free_port

MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
mail_owner = postfix
setgid_group = postdrop
myhostname = postfix.test
mydestination =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
relayhost = [127.0.0.1]:{next_port}
smtp_dns_support_level = disabled
smtpd_peername_lookup = no
message_size_limit = 0
mailbox_size_limit = 0
"""
MASTER = """
{address}:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def missing() -> str | None:
    """Say why Postfix cannot be used here, or None."""
    if not Path("/usr/lib/postfix/sbin/master").exists():
        return "postfix is not installed"
    return None if os.geteuid() == 0 else "postfix starts only as root"


@dataclass
class Postfix:
    """Takes mail on `port` of `address` and relays all of it to `next_port`. more: lines for main.cf.

    services: further ports, and what main.cf says for each.
    """

    next_port: int
    more: str = ""
    services: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    folder: Path = field(default_factory=open_folder)
    address: str = "127.0.0.1"

    def __enter__(self) -> "Postfix":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def start(self) -> None:
        """Return when the port is open. The queue is that of the last time."""
        configuration = self.folder / "etc"
        for folder in (configuration, self.folder / "queue", self.folder / "data"):
            folder.mkdir(exist_ok=True)
        shutil.chown(self.folder / "data", "postfix", "postfix")
        settings = MAIN.format(folder=self.folder, next_port=self.next_port)
        (configuration / "main.cf").write_text(settings + self.more)
        services = "".join(
            f"{port} inet n - n - - smtpd\n" + "".join(f"  -o {{ {key} = {value} }}\n" for key, value in keys.items())
            for port, keys in self.services.items()
        )
        (configuration / "master.cf").write_text(MASTER.format(address=self.address, port=self.port) + services)
        self.process = subprocess.Popen(
            ["postfix", "-c", str(configuration), "start-fg"],
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "errors").open("w"),
        )
        wait_for_port(self.port, self.process, lambda: self.log, self.address)

    @property
    def log(self) -> str:
        return "".join(path.read_text() for name in ("errors", "log") if (path := self.folder / name).exists())

    def stop(self) -> None:
        subprocess.run(["postfix", "-c", str(self.folder / "etc"), "stop"], capture_output=True, check=False)
        self.process.wait(PATIENCE_SECONDS)
