"""`sendmail -bs`: SMTP on standard input and output, carried to the relay's listener octet by octet."""

import os
import selectors
import socket
import sys

_OCTETS = 65_536
_CONNECT_SECONDS = 30.0


def speak(server: str) -> bool:
    """Carry until the relay closes; return whether there was one. server: `IP:port`."""
    host, _, port = server.rpartition(":")
    try:
        line = socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS)
    except OSError:
        os.write(sys.stdout.fileno(), b"421 4.3.2 The relay does not run; try again later\r\n")
        return False
    with line, selectors.DefaultSelector() as ready:
        line.settimeout(None)
        ready.register(line, selectors.EVENT_READ)
        try:
            ready.register(sys.stdin, selectors.EVENT_READ)
        except PermissionError:  # a plain file is always ready, and cannot be waited for
            line.sendall(sys.stdin.buffer.read())
            line.shutdown(socket.SHUT_WR)
        while True:
            for key, _ in ready.select():
                if key.fileobj is line:
                    octets = line.recv(_OCTETS)
                    if not octets:
                        return True
                    _write(octets)
                elif octets := os.read(sys.stdin.fileno(), _OCTETS):
                    line.sendall(octets)
                else:
                    ready.unregister(sys.stdin)
                    line.shutdown(socket.SHUT_WR)


def _write(octets: bytes) -> None:
    while octets:
        octets = octets[os.write(sys.stdout.fileno(), octets) :]
