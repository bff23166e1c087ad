"""The demo's files: three settings files, two scripts, and where everything stands.

Who plays whom, each on a loopback address of its own, so that connectors can tell them apart (Linux has all of 127/8):

    printer 127.0.0.3, erp 127.0.0.4 → relay :2725 → front door :2825 → hub :2826 → outside host :2926, or a mailbox

relay: the local relay. front door and hub: the service, two Staffettas as Exchange Online has two kinds of host. The
outside host is the hub's capture host. The ports are not those of examples/quickstart.toml.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

RELAY, FRONT_DOOR, HUB, OUTSIDE = 2725, 2825, 2826, 2926
RELAY_WEB, FRONT_DOOR_WEB = 8125, 8225
PORTS = (RELAY, FRONT_DOOR, HUB, OUTSIDE, RELAY_WEB, FRONT_DOOR_WEB)
ENDPOINT = "contoso.mail.protection.test"
CLIENT_NAME = "*.contoso.test"
INSIDE, ELSEWHERE = "bob@contoso.test", "eve@outside.example"
PRINTER, ERP = "127.0.0.3", "127.0.0.4"
BY_ADDRESS, BY_CERTIFICATE = "127.0.1.1", "127.0.1.2"
_MARK = ".staffetta-demo"

_RELAY = f"""\
# The local relay: takes mail of devices, by their address, and hands it over to the service.

hostname = "relay.contoso.test"
data_dir = "relay"
default_route = "by-address"

[[listeners]]
name = "devices"
address = "127.0.0.1:{RELAY}"

[[inbound_connectors]]
name = "Printer"
sender_ip_addresses = ["{PRINTER}"]

[[inbound_connectors]]
name = "ERP"
sender_ip_addresses = ["{ERP}"]

# Ours, so that devices may send in its name; its mailboxes are at the service.
[[accepted_domains]]
name = "contoso.test"
type = "InternalRelay"
route = "by-address"

# What the ERP sends takes the road by certificate, everything else the one by address.
[[route_rules]]
name = "ERP"
connectors = ["ERP"]
route = "by-certificate"

# In clear: the service knows us by our address.
[[routes]]
name = "by-address"
next_hops = [{{ host = "127.0.0.1", port = {FRONT_DOOR} }}]
source_addresses = ["{BY_ADDRESS}"]
tls = "none"

# STARTTLS: we check the service's certificate, and show ours.
[[routes]]
name = "by-certificate"
next_hops = [{{ host = "127.0.0.1", port = {FRONT_DOOR} }}]
source_addresses = ["{BY_CERTIFICATE}"]
tls = "verified"
tls_names = ["{ENDPOINT}"]
trusted_authority = "demo"
client_certificate = "relay.pfx"
client_certificate_password = "file:@FOLDER@/pfx-password"

[[trusted_authorities]]
name = "demo"
certificates = "front-door/ca/ca.pem"

[console]
address = "127.0.0.1:{RELAY_WEB}"

[log]
format = "postfix"
"""

_FRONT_DOOR = f"""\
# The service's front door: says who may come in, by inbound connectors, which are made while it runs.

hostname = "{ENDPOINT}"
data_dir = "front-door"
default_route = "hub"

[[listeners]]
name = "front door"
address = "127.0.0.1:{FRONT_DOOR}"
certificate = "front-door.pem"
private_key = "front-door.pem"

[[accepted_domains]]
name = "contoso.test"
route = "hub"

[[routes]]
name = "hub"
next_hops = [{{ host = "127.0.0.1", port = {HUB} }}]
source_addresses = ["127.0.2.1"]
tls = "required"

[console]
address = "127.0.0.1:{FRONT_DOOR_WEB}"

[log]
format = "postfix"
"""

_HUB = f"""\
# The service's hub: takes mail of its front door alone; mailboxes, and the way out.

hostname = "hub.protection.test"
data_dir = "hub"
default_route = "outside"

[[listeners]]
name = "hub"
address = "127.0.0.1:{HUB}"

[[inbound_connectors]]
name = "Front door"
sender_ip_addresses = ["127.0.2.1"]

[[accepted_domains]]
name = "contoso.test"
route = "mailboxes"

[[routes]]
name = "mailboxes"
transport = "maildir"
path = "mailboxes"

[[routes]]
name = "outside"
next_hops = [{{ host = "127.0.0.1", port = {OUTSIDE} }}]
source_addresses = ["127.0.2.2"]
tls = "none"

# Plays the host of outside.example.
[capture]
hostname = "mx.outside.example"
address = "127.0.0.1:{OUTSIDE}"
path = "outside"

[log]
format = "postfix"
"""

_CONNECTOR_BY_ADDRESS = f"""\
$splat = @{{
    Name = 'SMTP Relay'
    ConnectorType = 'OnPremises'
    SenderDomains = '*'
    ## The public address of the relay.
    SenderIPAddresses = '{BY_ADDRESS}'
    RestrictDomainsToIPAddresses = $true
}}
New-InboundConnector @splat
"""

_CONNECTOR_BY_CERTIFICATE = f"""\
$splat = @{{
    Name = 'SMTP Relay (TLS)'
    ConnectorType = 'OnPremises'
    SenderDomains = '*'
    RequireTLS = $true
    ## A name in the relay's certificate, and who must have issued it: left out, an authority that is public.
    TlsSenderCertificateName = '{CLIENT_NAME}'
    TrustedAuthority = 'own'
}}
New-InboundConnector @splat
"""


class CannotPlay(Exception):
    """The demo cannot go on; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where things stand below the demo's folder."""

    folder: Path

    @property
    def relay(self) -> Path:
        return self.folder / "relay.toml"

    @property
    def front_door(self) -> Path:
        return self.folder / "front-door.toml"

    @property
    def hub(self) -> Path:
        return self.folder / "hub.toml"

    @property
    def by_address(self) -> Path:
        return self.folder / "connector-by-address.ps1"

    @property
    def by_certificate(self) -> Path:
        return self.folder / "connector-by-certificate.ps1"

    @property
    def outside(self) -> Path:
        """Where the outside host keeps what it took."""
        return self.folder / "outside" / "new"

    def mailbox(self, address: str) -> Path:
        local_part, _, domain = address.partition("@")
        return self.folder / "mailboxes" / domain / local_part / "new"

    def write(self) -> None:
        """Begin anew, in a folder that is new, empty, or left by a demo. Raises CannotPlay."""
        if self.folder.exists() and any(self.folder.iterdir()):
            if not (self.folder / _MARK).exists():
                raise CannotPlay(f"{self.folder} holds something else than a demo. Name another: --folder FOLDER.")
            shutil.rmtree(self.folder)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / _MARK).touch()
        for path, text in (
            (self.relay, _RELAY.replace("@FOLDER@", str(self.folder.resolve()))),
            (self.front_door, _FRONT_DOOR),
            (self.hub, _HUB),
            (self.by_address, _CONNECTOR_BY_ADDRESS),
            (self.by_certificate, _CONNECTOR_BY_CERTIFICATE),
            (self.folder / "pfx-password", "carry-the-mail\n"),
        ):
            path.touch(mode=0o600)
            path.write_text(text, encoding="utf-8")
