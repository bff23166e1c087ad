"""Doctor, send test and probe: forms whose operations take seconds to minutes, with progress and then the answer.

Rule 1: each is a job (jobs.py). The doctor's report is one for all who administer the whole relay; the others are seen
by whoever asked.
Rule 2: a certificate is given with its private key, so that it is treated as a password is: not kept, and not shown.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from staffetta.admin.web.commands import HIDDEN, command_of, is_secret
from staffetta.admin.web.forms import Field, fields_of, given_by, sent, standing
from staffetta.admin.web.guard import Page
from staffetta.admin.web.jobs import Job, error_of
from staffetta.admin.web.languages import N_
from staffetta.admin.web.page import begin, in_context, redirect, render, require
from staffetta.admin.web.values import properties
from staffetta.admin.web.visit import caller_of, visit_of
from staffetta.operations.errors import OperationError, RoleMissing, Unavailable
from staffetta.operations.registry import find
from staffetta.settings.model import Settings
from staffetta.settings.outbound import all_routes, find_route

_LOOK_AGAIN_SECONDS = "2"
_KEYS = ("Certificate",)
_ANYWHERE = ("0.0.0.0", "[::]", "")
_SEVERITIES = {"error": "bad", "warning": "warning", "notice": "info"}


@dataclass(frozen=True, slots=True)
class Tool:
    """One page. first: the parameters that stand open. choices: of fields; offers: links that fill them in.

    is_shared: one answer for all who administer the whole relay.
    """

    path: str
    label: str
    cmdlet: str
    template: str
    first: tuple[str, ...]
    choices: Callable[[Settings], Mapping[str, Sequence[str]]] = lambda _settings: {}
    offers: Callable[[Settings], Sequence[tuple[str, Mapping[str, object]]]] = lambda _settings: ()
    is_shared: bool = False

    async def answer(self, request: Request) -> Response:
        require(request, self.cmdlet)
        parameters = find(self.cmdlet).parameters
        stood = standing(parameters)
        job = visit_of(request).console.memory.jobs.of(self._key(request))
        if request.method == "POST":
            values = sent(parameters, await request.form())
            given = given_by(parameters, values, stood)
            kept = {each.name: values[each.name] for each in parameters if not (is_secret(each) or each.name in _KEYS)}
            given = {name: value for name, value in given.items() if value is not None}
            job = await begin(request, self._key(request), self.cmdlet, given, kept)
            error = error_of(job)
            if isinstance(error, RoleMissing):
                raise error
            return redirect(self.path) if error is None else await self._page(request, values, job, error)
        asked = {name: text for name, text in request.query_params.items() if name in stood}
        if asked:
            return await self._page(request, {**stood, **asked}, None, None)
        return await self._page(request, {**stood, **(job.values if job else {})}, job, error_of(job))

    def _key(self, request: Request) -> str:
        whose = "" if self.is_shared and caller_of(request).organization is None else visit_of(request).key
        return f"{self.path} {whose}"

    async def _page(
        self, request: Request, values: Mapping[str, str], job: Job | None, error: OperationError | None
    ) -> Response:
        _ = visit_of(request).language
        operation = find(self.cmdlet)
        settings = (await in_context(request)).settings
        errors = {error.parameter or "": str(error)} if error else {}
        fields = self._fields(settings, fields_of(operation.parameters, values, errors))
        result = job.result() if job and job.is_over and error is None else None
        is_running = job is not None and not job.is_over
        given = given_by(operation.parameters, {**standing(operation.parameters), **values}, {})
        return await render(
            request,
            self.template,
            title=_(self.label),
            status=200 if request.method == "GET" or error is None else 503 if isinstance(error, Unavailable) else 422,
            headers={"Refresh": _LOOK_AGAIN_SECONDS} if is_running else {},
            command=command_of(
                operation, {name: HIDDEN if name in _KEYS else value for name, value in given.items() if value}
            ),
            first=[each for each in fields if each.name in self.first],
            others=[each for each in fields if each.name not in self.first],
            error=next((text for name, text in errors.items() if name not in values), ""),
            job=job,
            is_running=is_running,
            rows=[properties(row) for row in result.rows] if result else (),
            warnings=result.warnings if result else (),
            is_over=result is not None,
            offers=[(label, f"{self.path}?{urlencode(query)}") for label, query in self.offers(settings)],
            severities=_SEVERITIES,
        )

    def _fields(self, settings: Settings, fields: Sequence[Field]) -> Sequence[Field]:
        known = self.choices(settings)
        return [
            replace(each, kind="choice", choices=tuple(known[each.name])) if known.get(each.name) else each
            for each in fields
        ]


def _servers(settings: Settings) -> Sequence[tuple[str, Mapping[str, object]]]:
    """Where the relay may connect to beside public servers: itself, and next hops of its routes."""
    found: dict[str, Mapping[str, object]] = {}
    for listener in settings.listeners:
        host, _, port = listener.address.rpartition(":")
        ours = "127.0.0.1" if host in _ANYWHERE else host.strip("[]")
        tls = {"ImplicitTls": "true"} if listener.implicit_tls else {}
        found[f"{listener.name}, {ours}:{port}"] = {"SmtpServer": ours, "Port": port, **tls}
    for name in all_routes(settings):
        road = find_route(settings, name)
        for hop in road.next_hops if road else ():
            found[f"{name}, {hop.host}:{hop.port}"] = {"SmtpServer": hop.host, "Port": hop.port}
    return list(found.items())


def _probed(settings: Settings) -> Mapping[str, Sequence[str]]:
    return {"Identity": [each.name for each in settings.probes], "Route": list(all_routes(settings))}


_TOOLS = (
    Tool("/doctor", N_("Doctor"), "Get-HealthReport", "doctor.html", ("Offline",), is_shared=True),
    Tool(
        "/send-test",
        N_("Send test"),
        "Send-TestMessage",
        "send-test.html",
        ("SmtpServer", "Port", "From", "To", "Subject", "Tls"),
        offers=_servers,
    ),
    Tool(
        "/probe",
        N_("Probe"),
        "Test-Mailflow",
        "probe.html",
        ("Identity", "Route", "TargetEmailAddress"),
        choices=_probed,
    ),
)

PAGES = tuple(Page(tool.path, tool.answer, ("GET", "POST")) for tool in _TOOLS)
