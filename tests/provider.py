"""An identity provider: it makes tokens, and serves its keys over https on loopback."""

import contextlib
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme
from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey

ISSUER = "https://login.example/tenant"
KEYS: dict[str, tuple[str, Key]] = {
    "one": ("RS256", RSAKey.generate_key(2048, {"kid": "one"})),
    "two": ("ES256", ECKey.generate_key("P-256", {"kid": "two"})),
    "three": ("Ed25519", OKPKey.generate_key("Ed25519", {"kid": "three"})),
}


@dataclass
class Provider:
    """published: ids of the keys that it serves. asked: how often it was asked. leads_to: where it redirects to."""

    url: str = ""
    published: list[str] = field(default_factory=lambda: list(KEYS))
    asked: int = 0
    is_down: bool = False
    leads_to: str | None = None

    def document(self) -> bytes:
        return json.dumps(KeySet([KEYS[kid][1] for kid in self.published]).as_dict(private=False)).encode()


def token(now: float, kid: str = "one", header: dict[str, Any] | None = None, **claims: Any) -> str:
    """A good token of scanner@contoso.test, for an hour; claims: others than the usual, None leaves one out."""
    algorithm, key = KEYS[kid]
    usual = {"iss": ISSUER, "aud": "relay", "exp": now + 3600, "preferred_username": "scanner@contoso.test"}
    every = {name: value for name, value in (usual | claims).items() if value is not None}
    return jwt.encode({"alg": algorithm, "kid": kid} | (header or {}), every, key, algorithms=[algorithm])


def tls_of_an_authority(path: Path) -> ssl.SSLContext:
    """A server's context for 127.0.0.1; its authority's certificate is written to `path`."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@contextlib.contextmanager
def serving(tls: ssl.SSLContext) -> Iterator[Provider]:
    """Serve the keys for as long as `with` lasts."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.asked += 1
            self.send_response(500 if provider.is_down else 302 if provider.leads_to else 200)
            if provider.leads_to:
                self.send_header("Location", provider.leads_to)
            self.end_headers()
            self.wfile.write(provider.document())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    provider.url = f"https://127.0.0.1:{server.server_port}/keys"
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
