"""What a session with an exchanger was like as to TLS, told to the tally where reports are on (RFC 8460 §4.3)."""

import time
from dataclasses import dataclass
from typing import Any

from staffetta.delivery.channel import Channel
from staffetta.delivery.exchange import Destination
from staffetta.delivery.mtasts import StsPolicy
from staffetta.delivery.mx import Exchanger
from staffetta.delivery.opening import Hop
from staffetta.delivery.tls_report import policy_of, result_of
from staffetta.delivery.tls_tally import TlsTally
from staffetta.delivery.tlspolicy import Mistrusted, TlsDemand, judge
from staffetta.delivery.trouble import HopTrouble
from staffetta.mail.outcome import Stage
from staffetta.settings.model import Settings
from staffetta.settings.roads import TlsLevel

_NO_STARTTLS = "starttls-not-supported"


@dataclass(slots=True)
class SessionWatch:
    """One exchanger's session. hop: None until it is known."""

    tally: TlsTally
    destination: Destination
    exchanger: Exchanger
    settings: Settings
    hop: Hop | None = None

    async def opened(self, channel: Channel) -> None:
        """The session is good for mail. A policy in testing is looked at now, since nobody has yet."""
        if not self.settings.tls_reports.enabled:
            return
        testing = self.destination.sts_in_testing
        address = channel.address or ""
        if channel.tls is None:
            self._count(_NO_STARTTLS, address)
        elif testing is not None and (self.hop is None or not self.hop.tls.tlsa):
            result, reason = await self._as_if_enforced(testing, channel)
            self._count(result, address, reason)
        else:
            self._count("", address)

    def failed(self, trouble: HopTrouble) -> None:
        """The session came to nothing; what has nothing to do with TLS is not counted."""
        if self.settings.tls_reports.enabled and trouble.stage is Stage.TLS:
            self._count(result_of(trouble, self.exchanger.host), trouble.address or "", trouble.diagnostic)

    async def _as_if_enforced(self, policy: StsPolicy, channel: Channel) -> tuple[str, str]:
        """Return (result type, reason)."""
        host = self.exchanger.host
        if not policy.names(host):
            return "validation-failure", f"the policy does not name {host}"
        try:
            demand = TlsDemand(level=TlsLevel.VERIFIED, names=(host,), policy="mta-sts")
            await judge(demand, host, channel.peer_certificates(), self.settings, time.time())
        except Mistrusted as error:
            trouble = HopTrouble("4.7.5", str(error), Stage.TLS)
            trouble.judgement = error.judgement
            return result_of(trouble, host), str(error)
        return "", ""

    def _count(self, result: str, address: str, reason: str = "") -> None:
        domain = self.destination.exchangers.domain
        sts = self.destination.sts or self.destination.sts_in_testing
        policy: dict[str, Any] = policy_of(domain, sts, self.hop)
        self.tally.count(domain, policy, result=result, host=self.exchanger.host, address=address, reason=reason)
