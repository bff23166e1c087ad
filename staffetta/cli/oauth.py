"""`staffetta oauth`: access tokens, by a person's consent or in the application's name."""

from typing import Annotated

from cyclopts import App, Parameter

from staffetta.cli.options import ConfigFile, Json
from staffetta.cli.tables import print_json, print_lines
from staffetta.operations import token_login
from staffetta.settings.file import load

Name = Annotated[str, Parameter(help="The token source's name.")]


oauth = App(name="oauth")


@oauth.command
def login(name: Name, /, *, config: ConfigFile) -> None:
    """Let a person consent in a browser, on any machine, and keep the consent."""

    def show(code: token_login.DeviceCode) -> None:
        minutes = code.expires_in_seconds / 60
        print_lines([f"Open {code.verification_uri} and type {code.user_code}", f"It holds for {minutes:.0f} minutes."])

    path = token_login.log_in(load(config), name, show)
    print(f"Logged in. The consent is kept in {path}; a relay that runs uses it at the next token.")


@oauth.command
def check(name: Name, /, *, config: ConfigFile, json: Json = False) -> None:
    """Get a token now, as the relay would, and say for what it is good."""
    facts = token_login.check(load(config), name)
    if json:
        print_json([facts])
        return
    print(f"A token of {facts.source} was got; it ends in {facts.expires_in_seconds / 60:.0f} minutes.")
    if facts.audience is not None:
        print_lines(
            [
                f"for          {facts.audience}",
                f"permissions  {', '.join(facts.permissions) or 'none: grant them in the app registration'}",
                f"in name of   {facts.user or 'the application'}",
            ]
        )
