"""The commands that we send, printed (RFC 5321 §4.1.1), with no parameter that the server did not announce.

Rule 1: a command is one line: an address or parameter that could be two is our bug, and is caught here.
Rule 2: DSN parameters are carried on as they came, still encoded (RFC 3461 §5.2.1).
"""

import re
from functools import lru_cache

from staffetta.mail.address import Mailbox
from staffetta.mail.envelope import Envelope, Notify, Recipient
from staffetta.mail.xtext import decode_utf8_address, encode_utf8_address, encode_xtext
from staffetta.smtp.capabilities import Capabilities

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


def mail_command(envelope: Envelope, capabilities: Capabilities, *, size: int, has_eight_bit: bool) -> bytes:
    """Print MAIL, line end included.

    size: octets of the content as it will be sent. has_eight_bit: whether it holds octets above 127.
    """
    parameters = ""
    if capabilities.size is not None:
        parameters += f" SIZE={size}"
    if has_eight_bit and capabilities.eight_bit_mime:
        parameters += " BODY=8BITMIME"
    if envelope.smtputf8 and capabilities.smtputf8:
        parameters += " SMTPUTF8"
    if envelope.require_tls and capabilities.requiretls:
        parameters += " REQUIRETLS"
    if capabilities.dsn:
        if envelope.ret is not None:
            parameters += f" RET={envelope.ret}"
        if envelope.envelope_id is not None:
            parameters += f" ENVID={envelope.envelope_id}"
    reverse_path = "" if envelope.reverse_path is None else wire_address(envelope.reverse_path, capabilities)
    return _line(f"MAIL FROM:<{reverse_path}>{parameters}")


def rcpt_command(recipient: Recipient, capabilities: Capabilities, *, is_first: bool = False) -> bytes:
    """Print RCPT, line end included. is_first: nobody handed the message to us, so that there is no ORCPT to keep."""
    address = wire_address(recipient.mailbox, capabilities)
    if not capabilities.dsn:
        return _line(f"RCPT TO:<{address}>")
    notify = f" NOTIFY={_NOTIFY_VALUES[recipient.notify]}" if recipient.notify else ""
    if is_first and recipient.original is None:
        return _line(f"RCPT TO:<{address}>{notify}")
    return _line(f"RCPT TO:<{address}>{notify} ORCPT={_original(recipient, capabilities)}")


def wire_address(mailbox: Mailbox, capabilities: Capabilities) -> str:
    """Return the address as it came; without SMTPUTF8, an ASCII local part goes with the domain's A-labels.

    An address with a non-ASCII local part comes back as it is: the caller does not send it to such a server.
    """
    if capabilities.smtputf8 or mailbox.is_ascii or not mailbox.local_part.isascii():
        return mailbox.text
    return f"{mailbox.local_part}@{mailbox.domain}"


def _original(recipient: Recipient, capabilities: Capabilities) -> str:
    """ORCPT as it came, or else the address at which the message reached us (RFC 3461 §5.2.1 d)."""
    if recipient.original is None:
        return _original_of(recipient.mailbox.text)
    if recipient.original.isascii() or capabilities.smtputf8:
        return recipient.original
    # RFC 6533 §3: the unitext form needs SMTPUTF8, the xtext form does not.
    address_type, _, address = recipient.original.partition(";")
    return f"{address_type};{encode_utf8_address(decode_utf8_address(address))}"


@lru_cache(maxsize=1024)
def _original_of(address: str) -> str:
    if address.isascii():
        return f"rfc822;{encode_xtext(address)}"
    return f"utf-8;{encode_utf8_address(address)}"


def _line(command: str) -> bytes:
    # A grave fault would be an address that smuggles a command (CWE-93): the parser excludes it, and so does this.
    if _CONTROLS.search(command):
        raise ValueError(f"a command is one line without controls: {command!r}")
    return command.encode() + b"\r\n"


def _notify_value(notify: Notify) -> str:
    return ",".join(str(flag.name) for flag in Notify if flag and flag in notify)


_NOTIFY_VALUES = {notify: _notify_value(notify) for notify in map(Notify, range(16))}
