"""MTA-STS with a real DNS, a policy over real HTTPS, and Postfix as the exchanger."""

import http.server
import shutil
import ssl
import threading
from collections.abc import Iterator

import pytest
import trustme

from tests.live import names as dns
from tests.live import postfix
from tests.live.conftest import need
from tests.live.names import Names
from tests.live.outside import cannot_be_an_exchanger, relay_by_mx, sent_to
from tests.live.postfix import Postfix
from tests.live.relay import Relay, open_folder
from tests.live.sink import EVERYTHING, Sink

pytestmark = pytest.mark.live

HERE = "127.0.2.4"
POLICIES = {
    "good.test": "version: STSv1\nmode: enforce\nmx: mx.good.test\nmax_age: 86400\n",
    "misnamed.test": "version: STSv1\nmode: enforce\nmx: *.misnamed.test\nmax_age: 86400\n",
    "testing.test": "version: STSv1\nmode: testing\nmx: mx.testing.test\nmax_age: 86400\n",
    "elsewhere.test": "version: STSv1\nmode: enforce\nmx: mx.good.test\nmax_age: 86400\n",
}


class _Policies(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        text = POLICIES[str(self.headers["Host"]).removeprefix("mta-sts.")].encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing to tell."""


@pytest.fixture(scope="module")
def relay() -> Iterator[Relay]:
    need(dns.missing())
    need(postfix.missing())
    need(cannot_be_an_exchanger())
    folder = open_folder()
    public = trustme.CA()
    public.cert_pem.write_to_path(folder / "public.pem")
    of_exchanger = public.issue_cert("mx.good.test")
    of_exchanger.private_key_and_cert_chain_pem.write_to_path(folder / "postfix.pem")
    tls = f"smtpd_tls_security_level = may\nsmtpd_tls_chain_files = {folder}/postfix.pem\n"
    server = http.server.ThreadingHTTPServer((HERE, 443), _Policies)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    public.issue_cert(*(f"mta-sts.{name}" for name in POLICIES)).configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    record = f'_mta-sts IN TXT "v=STSv1; id=1;"\nmta-sts IN A {HERE}\n'
    zones = {name: f"@ IN MX 10 mx.{name}.\nmx IN A {HERE}\n{record}" for name in POLICIES}
    with (
        pytest.MonkeyPatch.context() as patch,
        Sink(*EVERYTHING) as behind,
        Postfix(behind.port, port=25, address=HERE, more=tls),
        Names(zones) as names,
    ):
        patch.setenv("SSL_CERT_FILE", str(folder / "public.pem"))
        with relay_by_mx(folder, names) as relay:
            yield relay
    server.shutdown()
    server.server_close()
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("domain", "policy", "is_verified"),
    [("good.test", "mta-sts: verified", True), ("testing.test", "route: opportunistic", False)],
)
def test_the_trace_says_which_policy_applied_and_how_it_was_met(
    relay: Relay, domain: str, policy: str, is_verified: bool
) -> None:
    told = sent_to(relay, f"bob@{domain}")
    assert told.status == "Delivered"
    assert (told.event["tls_policy"], told.event["tls_verified"]) == (policy, is_verified)


@pytest.mark.parametrize(
    ("domain", "status", "reply"),
    [
        ("misnamed.test", "4.7.5", "the certificate names mx.good.test; mta-sts wants mx.misnamed.test"),
        ("elsewhere.test", "4.4.8", "the MTA-STS policy of elsewhere.test does not name mx.elsewhere.test"),
    ],
)
def test_an_exchanger_that_is_not_as_the_policy_says_gets_no_mail(
    relay: Relay, domain: str, status: str, reply: str
) -> None:
    told = sent_to(relay, f"bob@{domain}")
    assert (told.event["event"], told.event["status"]) == ("Defer", status)
    assert reply in str(told.event["reply"])


def test_a_policy_is_kept_beside_the_spool(relay: Relay) -> None:
    sent_to(relay, "carol@good.test")
    assert (relay.folder / "data" / "mta-sts" / "good.test.json").exists()
