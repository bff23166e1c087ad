"""Ports for servers that must be named before they listen."""

import random
import socket

# Below the ports that the kernel gives to connections (32768 and up), any of which may be taken a moment later.
_FIRST, _LAST = 20_000, 32_000
_CHOICE = random.SystemRandom()  # tests run in several processes, which must not all try the same ones


def free_port() -> int:
    """Return a TCP port of loopback on which nobody listens."""
    while True:
        port = _CHOICE.randint(_FIRST, _LAST)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
