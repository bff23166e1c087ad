"""docs/doctor.md: how to run the doctor, and everything that it can find, from staffetta/doctor/checks/."""

import re

from staffetta.doctor.catalogue import CHECKS, Needs

HEAD = """# The doctor

```sh
staffetta doctor                 # files, certificates, this machine, then the network
staffetta doctor --offline       # nobody is asked: before the first start, or in a build
staffetta doctor --json          # for programs
```

It examines the set-up of `--config` (or `STAFFETTA_CONFIG`): what was seen, why it matters, what to do. It changes
nothing and sends no mail; that it asked our own listeners to relay for a stranger is a refusal in the trace. What it
could not look at it says, and that is no finding.

```toml
[doctor]
probe_host = "contoso-com.mail.protection.outlook.com"  # greeted, to see whether port 25 is open and who we are there
public_addresses = ["203.0.113.7"]                      # where this machine or the probe host cannot tell
dkim_selectors = ["selector1", "selector2"]             # of whoever signs our domains' mail
time_server = "pool.ntp.org"
```

| exit status | |
| --- | --- |
| 0 | nothing, or notices alone |
| 1 | warnings: some mail suffers, or soon will |
| 2 | errors: mail stops, gets lost, or strangers send it |
| 78 | the settings file cannot be read; the message says where |

The same list comes from `Get-HealthReport` (command line, shell, PowerShell, HTTP). Run it as the user that the relay
runs as: root can read what the relay cannot.

The tables below are generated from `staffetta/doctor/checks/` by `make docs`. Words in CAPITALS are filled in."""


def page() -> str:
    """Return the page."""
    lines = [HEAD]
    for check in CHECKS:
        lines += ["", f"## {check.name}{' (needs the network)' if check.needs is not Needs.NOTHING else ''}", ""]
        lines += ["| severity | finding | why it matters | what to do |", "| --- | --- | --- | --- |"]
        for kind in check.kinds:
            action = re.sub(r"\{(\w+)\}", lambda match: match[1].upper(), kind.action)
            lines.append(f"| {kind.severity} | `{kind.code}` | {kind.why} | {action} |")
    return "\n".join(lines) + "\n"
