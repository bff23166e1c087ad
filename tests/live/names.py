"""A DNS of our own on loopback: NSD with zones that ldns signs, and Unbound, which validates them and is asked."""

import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.live.relay import PATIENCE_SECONDS, open_folder, wait_for_port
from tests.ports import free_port

ZONE = """$ORIGIN {name}.
$TTL 60
@ IN SOA ns.{name}. root.{name}. 1 3600 600 86400 60
@ IN NS ns.{name}.
ns IN A 127.0.0.1
"""
NSD = """
server:
  ip-address: 127.0.0.1@{port}
  username: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: "{folder}/nsd.pid"
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  xfrdir: "{folder}"
  server-count: 1
remote-control:
  control-enable: no
"""
UNBOUND = """
server:
  interface: 127.0.0.1@{port}
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  do-daemonize: no
  use-syslog: no
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: ""
  module-config: "validator iterator"
  val-log-level: 2
  ede: yes
  local-zone: "test." nodefault
"""


def missing() -> str | None:
    """Say why there can be no such DNS here, or None."""
    for program in ("/usr/sbin/nsd", "/usr/sbin/unbound", "ldns-signzone", "ldns-keygen"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    return None


@dataclass
class Names:
    """zones: by name, their records as in a zone file. signed: names of those that DNSSEC vouches for.

    forged: what is put in the place of what, after signing. port: of the resolver.
    """

    zones: Mapping[str, str]
    signed: frozenset[str] = frozenset()
    forged: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    folder: Path = field(default_factory=open_folder)

    def __enter__(self) -> "Names":
        self._nsd_port = _free_for_both()
        self.port = _free_for_both()
        nsd, unbound = NSD.format(port=self._nsd_port, folder=self.folder), UNBOUND
        unbound = unbound.format(port=self.port, folder=self.folder)
        for name, records in self.zones.items():
            file = self._write(name, records)
            nsd += f'zone:\n  name: "{name}"\n  zonefile: "{file.name}"\n'
            unbound += f'stub-zone:\n  name: "{name}"\n  stub-addr: 127.0.0.1@{self._nsd_port}\n'
        server = [f'  trust-anchor-file: "{self.folder}/{name}.ds"' for name in self.signed]
        server += [f'  domain-insecure: "{name}"' for name in self.zones if name not in self.signed]
        unbound = unbound.replace("server:\n", "\n".join(["server:", *server, ""]), 1)
        self._processes = [
            self._start("nsd", nsd, ["/usr/sbin/nsd", "-d", "-c"], self._nsd_port),
            self._start("unbound", unbound, ["/usr/sbin/unbound", "-d", "-c"], self.port),
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.terminate()
            process.wait(PATIENCE_SECONDS)
        shutil.rmtree(self.folder)

    @property
    def settings(self) -> str:
        """TOML for a relay that asks here."""
        return f'\n[dns]\nservers = ["127.0.0.1:{self.port}"]\ntimeout_seconds = 5\n'

    def _write(self, name: str, records: str) -> Path:
        file = self.folder / f"{name}.zone"
        file.write_text(ZONE.format(name=name) + records)
        if name not in self.signed:
            return file
        key = self._run("ldns-keygen", "-r", "/dev/urandom", "-k", "-a", "ECDSAP256SHA256", name).strip()
        (self.folder / f"{key}.ds").rename(self.folder / f"{name}.ds")
        self._run("ldns-signzone", file.name, key)
        signed = self.folder / f"{name}.zone.signed"
        if name in self.forged:
            told = signed.read_text()
            assert self.forged[name][0] in told
            signed.write_text(told.replace(*self.forged[name]))
        return signed

    def _run(self, *words: str) -> str:
        return subprocess.run(words, cwd=self.folder, capture_output=True, check=True, text=True).stdout

    def _start(self, name: str, configuration: str, words: list[str], port: int) -> "subprocess.Popen[bytes]":
        file, log = self.folder / f"{name}.conf", self.folder / f"{name}.log"
        file.write_text(configuration)
        process = subprocess.Popen([*words, str(file)], stdout=subprocess.DEVNULL, stderr=log.open("w"))
        wait_for_port(port, process, lambda: log.read_text())
        return process


def _free_for_both() -> int:
    """A port that is free for UDP and TCP."""
    while True:
        port = free_port()
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
                datagrams.bind(("127.0.0.1", port))
        except OSError:
            continue
        return port
