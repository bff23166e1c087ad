"""A relay in a process of its own, with settings made for the test."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import trustme

from tests.ports import free_port

PATIENCE_SECONDS = 60  # only what has failed lasts so long; a machine may be busy
SETTINGS = """
hostname = "relay.test"
data_dir = "data"
workers = {workers}
default_route = "next"

[[listeners]]
name = "relay"
address = "127.0.0.1:{port}"
certificate = "certificate.pem"
private_key = "key.pem"

{connectors}

[[accepted_domains]]
name = "contoso.test"
type = "InternalRelay"
route = "next"

[[routes]]
name = "next"
transport = "{transport}"
next_hops = [{{ host = "127.0.0.1", port = {next_port} }}]
tls = "{tls}"

{queue}
"""
IMPATIENT = """
[queue]
retry_first_seconds = 0.2
retry_max_seconds = 1
unknown_retry_seconds = 0.2
"""
LOOPBACK = """
[[inbound_connectors]]
name = "Loopback"
sender_ip_addresses = ["127.0.0.0/8"]
"""


def server_tls(folder: Path) -> ssl.SSLContext:
    """Write certificate.pem and key.pem into the folder, and return a server's context that uses them."""
    certificate = trustme.CA().issue_cert("localhost", "127.0.0.1")
    (folder / "key.pem").touch(mode=0o600)  # the relay does not start with one that others can read
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    chain = folder / "certificate.pem"
    chain.write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, folder / "key.pem")
    return context


@dataclass
class Relay:
    """A relay on loopback that hands everything to `next_port`.

    folder: holds settings, certificate, data and log. more: TOML to append to the settings.
    connectors: TOML of the inbound connectors. queue: TOML of when to try again.
    wrapper: words before the command line, such as a tracer's; prepare: called in the new process before the program.
    """

    folder: Path
    next_port: int
    transport: str = "smtp"
    tls: str = "opportunistic"
    more: str = ""
    connectors: str = LOOPBACK
    queue: str = IMPATIENT
    wrapper: Sequence[str] = ()
    prepare: Callable[[], None] | None = None
    workers: int = 1
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None

    def __post_init__(self) -> None:
        server_tls(self.folder)
        self.write_settings()

    @property
    def config(self) -> Path:
        return self.folder / "relay.toml"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def write_settings(self) -> None:
        text = SETTINGS.format(
            port=self.port,
            workers=self.workers,
            next_port=self.next_port,
            transport=self.transport,
            tls=self.tls,
            connectors=self.connectors,
            queue=self.queue,
        )
        self.config.write_text(text + self.more, encoding="utf-8")

    def launch(self) -> subprocess.Popen[str]:
        """Start the process, and do not wait for it."""
        self.process = subprocess.Popen(
            [*self.wrapper, sys.executable, "-m", "staffetta", "serve", "--config", str(self.config)],
            stdout=subprocess.PIPE,
            stderr=(self.folder / "log").open("a"),
            text=True,
            preexec_fn=self.prepare,
            start_new_session=True,
        )
        return self.process

    def start(self) -> "Relay":
        """Return when the relay has said that it is running."""
        process = self.launch()
        assert process.stdout is not None
        assert "is running" in process.stdout.readline(), self.log
        return self

    def kill(self) -> None:
        """As by a power cut, as far as a process can tell. Kills a tracer with it."""
        if self.process is not None:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    def stop(self) -> int:
        """Ask it to stop, through a tracer too, and return its exit status."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)

    def restart(self) -> subprocess.CompletedProcess[str]:
        """Do as `staffetta restart` does."""
        words = [sys.executable, "-m", "staffetta", "restart", "--config", str(self.config)]
        return subprocess.run(words, capture_output=True, text=True)

    @property
    def worker_pids(self) -> list[int]:
        """Processes of a relay with several workers, in the order of their start."""
        assert self.process is not None
        return sorted(map(int, Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()))

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def memory_octets(self, name: str) -> int:
        """VmRSS (now) or VmHWM (the most so far)."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(f"{name}:"))

    def trace(self, *filters: str) -> list[dict[str, object]]:
        """What `staffetta trace --json` prints."""
        answer = subprocess.run(
            [sys.executable, "-m", "staffetta", "trace", "--config", str(self.config), "--json", *filters],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        assert answer.returncode == 0, answer.stderr
        rows: list[dict[str, object]] = json.loads(answer.stdout)
        return rows

    def __enter__(self) -> "Relay":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()


def wait_for_port(
    port: int, process: "subprocess.Popen[bytes]", log: Callable[[], str], address: str = "127.0.0.1"
) -> None:
    """Return when the port is open; what the process has to say is told where it is not."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            socket.create_connection((address, port), timeout=1).close()
            return
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline, log()
            time.sleep(0.05)


def open_folder() -> Path:
    """A temporary folder that peers under other users may enter; pytest's own are closed to them."""
    folder = Path(tempfile.mkdtemp(prefix="relay-"))
    folder.chmod(0o755)
    return folder
