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
_OF_DANE = ("dnssec-invalid", "dane-required", "tlsa-invalid")


@dataclass(slots=True)
class SessionWatch:
    """One exchanger's session. hop: None until it is known."""

    tally: TlsTally
    destination: Destination
    exchanger: Exchanger
    settings: Settings
    hop: Hop | None = None

    @property
    def _has_dane(self) -> bool:
        return self.hop is not None and bool(self.hop.tls.tlsa)

    async def opened(self, channel: Channel) -> None:
        """The session is good for mail. A policy in testing is looked at now, since nobody has yet."""
        if not self.settings.tls_reports.enabled:
            return
        testing = self.destination.sts_in_testing
        address = channel.address or ""
        if channel.tls is None:
            self._count(_NO_STARTTLS, address)
        elif (problem := self.destination.sts_problem) is not None and not self._has_dane:
            self._count(problem.result_type, address, problem.reason)
        elif testing is not None and not self._has_dane:
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
            return result_of(error.as_trouble(), host), str(error)
        return "", ""

    def _count(self, result: str, address: str, reason: str = "") -> None:
        domain = self.destination.exchangers.domain
        sts = self.destination.sts or self.destination.sts_in_testing
        is_announced = result in _OF_DANE or self.destination.sts_problem is not None
        announced = ("tlsa" if result in _OF_DANE else "sts") if is_announced else None
        policy: dict[str, Any] = policy_of(domain, sts, self.hop, announced=announced)
        self.tally.count(domain, policy, result=result, host=self.exchanger.host, address=address, reason=reason)
