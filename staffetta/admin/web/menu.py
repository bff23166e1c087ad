"""The left menu. An entry is shown to whoever may do its operation, and to nobody where there is no such operation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from staffetta.admin.web.languages import N_
from staffetta.operations.errors import NotFound
from staffetta.operations.registry import Operation, find
from staffetta.operations.roles import Caller


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. path: of the page; cmdlet: what the page shows. Texts are English, translated where they are shown.

    keys: what is typed after `g` to go there. about: one sentence under the title.
    empty: what stands where there is nothing to show.
    links: label and address of pages about one object (with its `id`); page_links: of pages about all of them.
    """

    path: str
    label: str
    cmdlet: str
    about: str
    keys: str = ""
    empty: str = N_("There is nothing yet.")
    links: tuple[tuple[str, str], ...] = ()
    page_links: tuple[tuple[str, str], ...] = ()

    @property
    def operation(self) -> Operation | None:
        """What the page shows; None where there is none yet."""
        try:
            return find(self.cmdlet)
        except NotFound:
            return None


@dataclass(frozen=True, slots=True)
class Group:
    """A heading and its entries; the first group has none."""

    label: str
    entries: tuple[Entry, ...]


MENU = (
    Group("", (Entry("/", N_("Home"), "Get-Queue", N_("What flows, what waits, what needs you."), "h"),)),
    Group(
        N_("Mail flow"),
        (
            Entry(
                "/connectors",
                N_("Connectors"),
                "Get-InboundConnector",
                N_("Who may send in, and how the relay knows him."),
                "c",
            ),
            Entry(
                "/outbound-connectors",
                N_("Outbound connectors"),
                "Get-OutboundConnector",
                N_("Where mail goes out, as Exchange has it."),
                "o",
            ),
            Entry(
                "/accepted-domains",
                N_("Accepted domains"),
                "Get-AcceptedDomain",
                N_("Domains that mail is taken for."),
                "d",
                N_("No domain is accepted, so mail is taken for nobody."),
                links=((N_("DNS records"), "/accepted-domains/dns"),),
            ),
            Entry(
                "/roads", N_("Roads out"), "Get-Route", N_("Roads as they are travelled, with their next hops."), "r"
            ),
            Entry(
                "/route-rules",
                N_("Route rules"),
                "Get-RouteRule",
                N_("Which mail takes which road, in order."),
                empty=N_("There is no rule: mail takes the road of its recipient's domain, or else the default one."),
                page_links=((N_("Order"), "/route-rules/order"),),
            ),
            Entry(
                "/accounts",
                N_("Accounts"),
                "Get-SmtpAccount",
                N_("Devices and applications that log in to send."),
                "a",
                N_("Nobody logs in to send. A device that has no address of its own, nor a certificate, needs this."),
                links=((N_("Card for the device"), "/accounts/card"),),
            ),
            Entry(
                "/trace",
                N_("Message trace"),
                "Get-MessageTraceV2",
                N_("What became of each message, newest first."),
                "t",
            ),
            Entry("/refused", N_("Refused"), "Get-Refusal", N_("Who was refused, and why."), "f"),
            Entry("/queues", N_("Queues"), "Get-Queue", N_("Where mail waits, and why."), "q"),
            Entry(
                "/messages",
                N_("Waiting messages"),
                "Get-Message",
                N_("Messages that wait, the next one first."),
                empty=N_("Nothing waits."),
            ),
            Entry(
                "/blocked",
                N_("Blocked connectors"),
                "Get-BlockedConnector",
                N_("Connectors whose mail is refused until they are unblocked."),
                empty=N_("No connector is blocked."),
            ),
        ),
    ),
    Group(
        N_("Tools"),
        (
            Entry(
                "/analyzer",
                N_("Header analyzer"),
                "Get-HeaderAnalysis",
                N_("The road of a message, read from its headers."),
                "x",
            ),
            Entry("/send-test", N_("Send test"), "Send-TestMessage", N_("Send a message and read the whole dialogue.")),
            Entry(
                "/simulator",
                N_("Simulator"),
                "Test-Relay",
                N_("What a client would be answered, and why; nothing is sent."),
                "s",
            ),
            Entry("/doctor", N_("Doctor"), "Get-HealthReport", N_("What is wrong, and what mends it.")),
            Entry("/probe", N_("Probe"), "Test-MailFlow", N_("Follow a marked message all the way.")),
            Entry(
                "/replies",
                N_("Meaning of a reply"),
                "Get-ReplyMeaning",
                N_("What a server's reply means, and the cure."),
            ),
            Entry(
                "/certificates",
                N_("Certificates"),
                "Get-CertificateExpiry",
                N_("When certificates end."),
                empty=N_("No certificate is in use."),
            ),
        ),
    ),
    Group(
        N_("Roles"),
        (
            Entry("/people", N_("People"), "Get-Administrator", N_("Who may sign in here."), "p"),
            Entry("/sign-ins", N_("Sign-ins"), "Get-SignIn", N_("Who is signed in here.")),
            Entry("/role-groups", N_("Role groups"), "Get-RoleGroup", N_("What people may do.")),
            Entry(
                "/tokens",
                N_("Tokens"),
                "Get-ApiToken",
                N_("Programs that call the interface."),
                empty=N_("No program calls the interface."),
            ),
            Entry("/audit", N_("Audit"), "Search-AdminAuditLog", N_("Who changed what, and when."), "u"),
        ),
    ),
    Group(
        N_("Settings"),
        (
            Entry("/settings", N_("Settings"), "Get-TransportConfig", N_("What holds for all mail.")),
            Entry(
                "/organizations", N_("Organisations"), "Get-Organization", N_("Tenants that see nothing of each other.")
            ),
        ),
    ),
)


def entries() -> Iterator[Entry]:
    """Return every entry, shown or not."""
    return (entry for group in MENU for entry in group.entries)


def menu_of(caller: Caller) -> Sequence[Group]:
    """Return what this caller may see, without empty groups."""
    found = (Group(group.label, tuple(entry for entry in group.entries if _is_for(entry, caller))) for group in MENU)
    return [group for group in found if group.entries]


def _is_for(entry: Entry, caller: Caller) -> bool:
    operation = entry.operation
    return operation is not None and bool(operation.roles & caller.roles)
