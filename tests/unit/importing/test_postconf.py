"""Parameters are expanded as Postfix's own postconf expands them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from staffetta.importing.postfix_parameters import DEFAULTS, Parameters
from staffetta.importing.postfix_text import parameters

FILES = {
    "nothing": "",
    "old": "compatibility_level = 0\nmyhostname = mail.contoso.test\n",
    "new": "compatibility_level = 3.7\nmyhostname = mail.contoso.test\n",
    "macros": """
compatibility_level = 3.6
myhostname = mail.contoso.test
relayhost = ${myorigin?[smtp.$mydomain]:587}
myorigin = $mydomain
mydestination = $myhostname, ${nothing}localhost.${mydomain}, $(myhostname).x, $$literal
relay_domains = ${nothing?{yes}:{no.test}} ${myorigin?{yes.test}:{no}}
smtpd_tls_cert_file = ${{$compatibility_level} >=level {3.6} ? {/etc/new.pem} : {/etc/old.pem}}
smtp_tls_CAfile = ${nothing:/etc/default.pem}
inet_interfaces = 127.0.0.1,
    # a comment within
    192.0.2.1

  , ::1
mynetworks = first
mynetworks = second
empty =
smtp_tls_security_level = ${{$myhostname} == {mail.contoso.test} ? {encrypt} : {may}}
""",
}
NAMES = sorted(
    {*DEFAULTS, "relayhost", "smtpd_tls_cert_file", "smtp_tls_CAfile", "smtp_tls_security_level"}
    - {"config_directory", "mydomain", "mydestination", "mynetworks_style", "local_transport"}
)


def expanded_by_postfix(folder: Path, names: list[str]) -> dict[str, str]:
    command = ["postconf", "-c", str(folder), "-x", *names]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)}


@pytest.mark.parametrize("name", FILES)
def test_values_are_postconfs(tmp_path: Path, name: str) -> None:
    if shutil.which("postconf") is None:
        if os.environ.get("STAFFETTA_REQUIRE_PEERS") == "1":
            pytest.fail("postconf is not there; apt install postfix")
        pytest.skip("postconf is not there")
    (tmp_path / "main.cf").write_text(FILES[name])
    (tmp_path / "master.cf").write_text("")
    of_the_machine = {"mydomain", "mydestination", "mynetworks_style", "relay_domains", "myorigin"}
    names = (
        [each for each in NAMES if each not in of_the_machine]
        if name == "nothing"
        else [*NAMES, "mydomain", "mydestination", "mynetworks_style"]
    )
    theirs = expanded_by_postfix(tmp_path, names)
    ours = Parameters(parameters(FILES[name]), "unused.invalid")
    assert {each: " ".join(ours.text(each).split()) for each in names} == {
        each: " ".join(theirs[each].split()) for each in names
    }
