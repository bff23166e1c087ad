"""Send-MailMessage, on .NET's SmtpClient as in Windows PowerShell, with what that never had.

It never had: a client certificate, TLS from the first octet, a source address, a name for EHLO, a timeout; and
`-Verbose` shows the whole dialog.
"""

from staffetta.shell.certificates import Certificate
from staffetta.shell.commands import Command, Invoked, Kind, Named
from staffetta.shell.credentials import Credential
from staffetta.shell.mail_objects import NOTIFICATIONS, PRIORITIES, Attachment, MailMessage, SmtpClient
from staffetta.shell.trouble import ShellError
from staffetta.shell.values import listed, text, whole


def send_mail_message(call: Invoked) -> list[object]:
    given = call.given
    host = text(given.get("SmtpServer", call.session.variables.get("PSEmailServer")))
    if not host:
        raise ShellError(
            "The email cannot be sent because no SMTP server was specified. You must specify an SMTP server by using "
            "either the SmtpServer parameter or the $PSEmailServer variable."
        )
    if not text(given.get("From")):
        raise ShellError("Cannot bind argument to parameter 'From' because it is an empty string; write the sender.")
    message = MailMessage(given["From"])
    groups = {"To": message.to, "Cc": message.cc, "Bcc": message.bcc, "ReplyTo": message.reply_to_list}
    for name, addresses in groups.items():
        for address in listed(given.get(name)):
            addresses.add(address)
    message.set("Subject", given.get("Subject"))
    message.set("Body", "\n".join(text(line) for line in listed(given.get("Body"))))
    message.set("IsBodyHtml", call.flag("BodyAsHtml"))
    message.set("Priority", given.get("Priority", "Normal"))
    if "DeliveryNotificationOption" in given:
        message.set("DeliveryNotificationOptions", given["DeliveryNotificationOption"])
    for path in [*listed(given.get("Attachments")), *call.items]:
        message.attachments.add(Attachment(call.session.path(text(path))))
    is_verbose = call.flag("Verbose") if "Verbose" in given else None

    def tell(line: str) -> None:
        call.session.detail(line, is_asked=is_verbose)

    client = SmtpClient(call.session.trust, tell, host, given.get("Port", 465 if call.flag("ImplicitTls") else 25))
    client.set("EnableSsl", call.flag("UseSsl"))
    client.is_tls_implicit = call.flag("ImplicitTls")
    client.source_address, client.hello = call.text("SourceAddress"), call.text("HeloName")
    if "TimeoutSeconds" in given:
        client.set("Timeout", max(1, whole(given["TimeoutSeconds"])) * 1000)
    if "Certificate" in given:
        client.client_certificates.add(_certificate(call))
    credential = given.get("Credential")
    if credential is not None and not isinstance(credential, Credential):
        raise ShellError("-Credential takes what Get-Credential or New-Object PSCredential('user', …) gives.")
    client.set("Credentials", credential)
    client.send(message)
    return []


def _certificate(call: Invoked) -> Certificate:
    """An X509Certificate2, or the path of a PFX. Raises ShellError."""
    given = call.given["Certificate"]
    if isinstance(given, Certificate):
        return given
    certificate = Certificate(call.session.path)
    certificate.import_(given, call.given.get("CertificatePassword"))
    return certificate


COMMANDS = (
    Command(
        "Send-MailMessage",
        send_mail_message,
        "Send a message, as Windows PowerShell does: port 25 unless -Port says otherwise.",
        (
            Named("To", position=0),
            Named("Subject", Kind.TEXT, position=1, aliases=("sub",)),
            Named("Body", position=2),
            Named("SmtpServer", Kind.TEXT, position=3, aliases=("ComputerName",)),
            Named("From", Kind.TEXT),
            Named("Cc"),
            Named("Bcc"),
            Named("ReplyTo"),
            Named("Attachments", aliases=("PsPath",)),
            Named("BodyAsHtml", Kind.SWITCH, aliases=("BAH",)),
            Named("Encoding", Kind.TEXT, aliases=("BE",)),
            Named("Priority", Kind.TEXT, choices=PRIORITIES),
            Named("DeliveryNotificationOption", aliases=("DNO",), choices=NOTIFICATIONS),
            Named("Credential"),
            Named("UseSsl", Kind.SWITCH),
            Named("Port", Kind.NUMBER),
            Named("Certificate", words="A client certificate: an X509Certificate2, or the path of a PFX."),
            Named("CertificatePassword", words="Of the PFX."),
            Named(
                "ImplicitTls", Kind.SWITCH, words="TLS from the first octet, on port 465 unless -Port says otherwise."
            ),
            Named("SourceAddress", Kind.TEXT, words="Address of this machine to connect from."),
            Named("HeloName", Kind.TEXT, words="Our name in EHLO; left out, this machine's."),
            Named("TimeoutSeconds", Kind.NUMBER, words="How long to wait for each answer; left out, 100."),
        ),
        example="Send-MailMessage -From ada@contoso.com -To bob@contoso.com -Subject Hello -SmtpServer localhost",
    ),
)
