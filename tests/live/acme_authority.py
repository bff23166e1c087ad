"""An ACME authority of our own on loopback: Pebble, with a DNS in which every name is this machine."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import trustme

from tests.live.relay import PATIENCE_SECONDS, open_folder, wait_for_port
from tests.ports import free_port

PROGRAMS = ("pebble", "pebble-challtestsrv")


def missing() -> str | None:
    """Say why Pebble cannot be used here, or None."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"{', '.join(absent)} missing: apt install pebble" if absent else None


@dataclass
class AcmeAuthority:
    """http_port, tls_port: where it asks. external_account: key id and key without which nobody gets an account."""

    external_account: tuple[str, str] | None = None
    port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)
    tls_port: int = field(default_factory=free_port)
    folder: Path = field(default_factory=open_folder)

    @property
    def directory(self) -> str:
        return f"https://127.0.0.1:{self.port}/dir"

    @property
    def certificates(self) -> Path:
        """Who vouches for the directory's certificate."""
        return self.folder / "ca.pem"

    def __enter__(self) -> "AcmeAuthority":
        authority = trustme.CA()
        own = authority.issue_cert("localhost", "127.0.0.1")
        authority.cert_pem.write_to_path(self.certificates)
        own.private_key_pem.write_to_path(self.folder / "key.pem")
        (self.folder / "certificate.pem").write_bytes(b"".join(pem.bytes() for pem in own.cert_chain_pems))
        dns, managing, watching = free_port(), free_port(), free_port()
        settings = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{watching}",
            "certificate": str(self.folder / "certificate.pem"),
            "privateKey": str(self.folder / "key.pem"),
            "httpPort": self.http_port,
            "tlsPort": self.tls_port,
            "externalAccountBindingRequired": self.external_account is not None,
            "externalAccountMACKeys": dict([self.external_account] if self.external_account else []),
        }
        (self.folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
        self.log = (self.folder / "log").open("w")
        names = ["pebble-challtestsrv", "-management", f"127.0.0.1:{managing}", "-dns01", f"127.0.0.1:{dns}"]
        names += ["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""]
        pebble = ["pebble", "-config", str(self.folder / "pebble.json"), "-dnsserver", f"127.0.0.1:{dns}"]
        # At full speed, no nonce refused for practice, and every order proved anew.
        quick = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
        self.processes = [
            subprocess.Popen(command, stdout=self.log, stderr=self.log, env={**os.environ, **quick})
            for command in (names, pebble)
        ]
        for process, port in zip(self.processes, (managing, self.port), strict=True):
            wait_for_port(port, process, lambda: (self.folder / "log").read_text(), "127.0.0.1")
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.terminate()
            process.wait(PATIENCE_SECONDS)
        self.log.close()
        shutil.rmtree(self.folder)
