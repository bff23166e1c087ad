"""The reports that Exchange Online's filters leave in a message, decoded.

Source: Microsoft Learn, "Anti-spam message headers in cloud organizations"; names of the rows as in Microsoft's
Message Header Analyzer.
"""

from dataclasses import dataclass

from staffetta.analyzer.fields import Section

FOREFRONT = "X-Forefront-Antispam-Report"
ANTISPAM = "X-Microsoft-Antispam"
_ENTRIES_MAX = 200

_LABELS = {
    "ARC": "ARC",
    "CTRY": "Country/Region",
    "LANG": "Language",
    "SCL": "Spam Confidence Level",
    "PCL": "Phishing Confidence Level",
    "BCL": "Bulk Complaint Level",
    "SFV": "Spam Filtering Verdict",
    "IPV": "IP Filter Verdict",
    "H": "HELO/EHLO String",
    "PTR": "PTR Record",
    "CIP": "Connecting IP Address",
    "CAT": "Protection Policy Category",
    "SFTY": "Phishing message",
    "SRV": "Bulk email status",
    "X-CustomSpam": "Advanced Spam Filtering",
    "SFS": "Spam rules",
    "DIR": "Direction",
}
_KNOWN = {key.upper(): key for key in _LABELS}
_MEANINGS = {
    "SFV": {
        "NSPM": "not spam",
        "SPM": "spam",
        "SKI": "not filtered: sent within the organisation",
        "SKN": "marked as not spam before filtering, by a mail flow rule",
        "SKA": "not filtered: an allowed sender or domain of an anti-spam policy",
        "SKB": "spam: a blocked sender or domain of an anti-spam policy",
        "SKS": "marked as spam before filtering, by a mail flow rule",
        "SKQ": "released from quarantine",
        "SFE": "not filtered: the recipient's safe senders",
        "BLK": "spam: the recipient's blocked senders",
        "DMS": "spam rules skipped for a safe sender",
    },
    "IPV": {"NLI": "the address is on no list", "CAL": "not filtered: the address is on the IP Allow List"},
    "DIR": {"INB": "incoming", "OUT": "outgoing", "INT": "within the organisation"},
    "CAT": {
        "NONE": "none",
        "BULK": "bulk mail",
        "SPM": "spam",
        "HSPM": "spam, with high confidence",
        "PHSH": "phishing",
        "HPHSH": "phishing, with high confidence",
        "HPHISH": "phishing, with high confidence",
        "SPOOF": "spoofing",
        "MALW": "malware",
        "DIMP": "impersonation of a domain",
        "UIMP": "impersonation of a user",
        "GIMP": "impersonation, by mailbox intelligence",
        "AMP": "malware",
        "SAP": "safe attachments",
        "OSPM": "outgoing spam",
        "FTBP": "a file type that is blocked",
        "INTOS": "phishing within the organisation",
    },
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One pair of a report. label: for people, the key itself where it is not known. meaning: empty where not known."""

    key: str
    value: str
    label: str
    meaning: str = ""


def decode_report(value: str) -> tuple[Entry, ...]:
    """Return the pairs of a report in their order; those without a value are left out."""
    entries: list[Entry] = []
    for pair in value.replace("(null)", "").split(";")[:_ENTRIES_MAX]:
        written, colon, text = pair.strip().partition(":")
        if not colon or not text.strip():
            continue
        key = _KNOWN.get(written.upper(), written)
        text = text.strip()
        entries.append(Entry(key, text, _LABELS.get(key, key), _meaning(key, text)))
    return tuple(entries)


def report_of(section: Section, name: str) -> tuple[Entry, ...]:
    """Return the report in the newest field of that name; empty where there is none."""
    return next((decode_report(field.written) for field in section.every(name)), ())


def _meaning(key: str, value: str) -> str:
    if key == "SCL":
        return _spam_level(value)
    if key == "BCL":
        return _bulk_level(value)
    return _MEANINGS.get(key, {}).get(value.upper(), "")


def _spam_level(value: str) -> str:
    known = {"-1": "not filtered", "0": "not spam", "1": "not spam", "5": "spam", "6": "spam"}
    known |= dict.fromkeys(("7", "8", "9"), "spam, with high confidence")
    return known.get(value, "")


def _bulk_level(value: str) -> str:
    if value not in set("0123456789"):
        return ""
    if value == "0":
        return "not from a bulk sender"
    level = int(value)
    return f"a bulk sender with {'few' if level <= 3 else 'some' if level <= 7 else 'many'} complaints"
