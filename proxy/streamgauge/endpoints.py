"""The endpoint variables of the SDKs: what an application's environment says now, and what must be set so that it calls us.

Knows: the variables of boto3, the Anthropic and OpenAI SDKs and LiteLLM, and how each appends paths to its base URL.
Must not know: processes, sockets. The environment is an argument.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from urllib.parse import urlsplit, urlunsplit

import msgspec

from streamgauge.addresses import parse_upstream
from streamgauge.aws_hosts import AwsHosts
from streamgauge.errors import UsageError
from streamgauge.routing import shipped_table


class Variable(msgspec.Struct, frozen=True):
    """One environment variable, whose calls it redirects, the service behind it, and the path its value ends in."""

    name: str
    client: str
    service: str
    path: str = ""


OPENAI = "OPENAI_BASE_URL"
BOTO_BEDROCK = "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"

BEARER = "AWS_BEARER_TOKEN_BEDROCK"
"""A Bedrock API key: where it is set, boto3 signs nothing for Bedrock and wants https."""

VARIABLES = (
    Variable(BOTO_BEDROCK, "boto3 (Bedrock)", "bedrock-runtime"),
    Variable("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", "boto3 (SageMaker)", "sagemaker-runtime"),
    Variable("ANTHROPIC_BEDROCK_BASE_URL", "anthropic (AnthropicBedrock)", "bedrock-runtime"),
    Variable("ANTHROPIC_BEDROCK_MANTLE_BASE_URL", "anthropic (Mantle)", "bedrock-mantle", "/anthropic"),
    Variable("AWS_BEDROCK_RUNTIME_ENDPOINT", "LiteLLM", "bedrock-runtime"),
    Variable(OPENAI, "openai", "bedrock-runtime", "/openai/v1"),
)

OPENAI_OWN_KEY = "sk-"
"""OpenAI's own keys begin like this. An application that has one talks to OpenAI, not to Bedrock, and must be left alone."""


class Way(msgspec.Struct, frozen=True):
    """One of our listening addresses: where all that comes to it goes (``None``: where its service is, as configured), and whom it serves.

    ``variables`` are the names to be set, each with the path that its value ends in.
    """

    upstream: str | None
    variables: dict[str, str]


class Redirection(msgspec.Struct, frozen=True):
    """What ``run`` does to an environment: the ways, the first of them without an upstream of its own; variables besides; sentences for the user.

    ``secure``: the way that boto3 takes with a bearer key, which it sends to https addresses only; ``None`` where it has none.
    """

    ways: tuple[Way, ...]
    variables: dict[str, str]
    notes: tuple[str, ...]
    secure: int | None = None

    def pointed(self, bases: Sequence[str], tls_base: str | None = None) -> dict[str, str]:
        """All variables to set; ``bases`` are the URLs of our listening addresses, one for each way, ``tls_base`` that of the secure way's."""
        pointed = {name: base + path for way, base in zip(self.ways, bases, strict=True) for name, path in way.variables.items()}
        if tls_base is not None and self.secure is not None:
            pointed[BOTO_BEDROCK] = tls_base + self.ways[self.secure].variables[BOTO_BEDROCK]
        return pointed | self.variables


def redirect(environ: Mapping[str, str], given: Collection[str], files: Mapping[str, str] | None = None) -> Redirection:
    """Point every SDK at us, each at a way to where it goes without us.

    An endpoint that a variable names is the upstream of those clients only that read this variable: a gateway that somebody has for one SDK must
    not get the prompts, and the session token, of another. So each distinct endpoint gets a listening address of its own, and what comes
    there goes nowhere else. ``given`` are the services whose upstream the user names for this run: that holds for all of a service's clients.
    ``files`` has what boto3 reads from its settings files where no variable names an endpoint, by service.
    """
    direct: dict[str, str] = {}
    through: dict[str, dict[str, str]] = {}
    notes: list[str] = []
    for variable in VARIABLES:
        before = _before(environ, variable, files or {})
        reason = _no_upstream(before) if before else None
        if variable.name == OPENAI:
            reason = reason or _not_for_us(environ, before)
        if reason:
            notes.append(f"{variable.name} is left alone: {reason}")
        elif not before or variable.service in given:
            direct[variable.name] = urlsplit(before).path if before and variable.path else variable.path
        else:
            named, path = (_without_path(before), urlsplit(before).path) if variable.path else (before.rstrip("/"), "")
            through.setdefault(named, {})[variable.name] = path
    ways = (Way(None, direct), *(Way(upstream, variables) for upstream, variables in through.items()))
    secure = next((n for n, way in enumerate(ways) if BOTO_BEDROCK in way.variables), None) if environ.get(BEARER) else None
    return Redirection(ways, *_besides(environ, notes), secure)


def _before(environ: Mapping[str, str], variable: Variable, files: Mapping[str, str]) -> str | None:
    """The endpoint that the variable's clients have without us, if any is configured."""
    if not variable.client.startswith("boto3"):
        return environ.get(variable.name)
    if _ignores_endpoints(environ):
        return None
    return environ.get(variable.name) or environ.get("AWS_ENDPOINT_URL") or files.get(variable.service)


def _ignores_endpoints(environ: Mapping[str, str]) -> bool:
    return environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true"


def _besides(environ: Mapping[str, str], notes: list[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    variables = {}
    if _ignores_endpoints(environ):
        variables["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "false"
        notes.append("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS is set to false for this command, so that boto3 finds the proxy")
    return variables, tuple(notes)


def _no_upstream(before: str) -> str | None:
    try:
        parse_upstream(before, "")
    except UsageError:  # its text is not repeated: such a value may hold a password
        return "its value is no URL of the form http://host[:port][/path] or https://host[:port][/path]"
    return None


def _not_for_us(environ: Mapping[str, str], base_url: str | None) -> str | None:
    """Why OPENAI_BASE_URL must stay as it is, or None. Any provider may stand there; what is not Bedrock is none of our business."""
    if not base_url:
        own = environ.get("OPENAI_API_KEY", "").startswith(OPENAI_OWN_KEY)
        return "this application talks to OpenAI itself, not to Bedrock" if own else None
    host = urlsplit(base_url).hostname or ""
    aws = AwsHosts(shipped_table()).read(host)
    if aws is None or aws[0].name != "bedrock-runtime":
        return "it names another host than those of Bedrock's runtime"
    return None


def _without_path(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, "", "", ""))


def region(environ: Mapping[str, str]) -> str | None:
    """The region of calls that do not name one themselves."""
    return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")


PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


def egress(environ: Mapping[str, str]) -> tuple[bool, tuple[str, ...]]:
    """Whether calls to AWS leave by a corporate proxy without us, so that ours must too, and sentences for the user.

    Only what ``HTTPS_PROXY`` names is taken, as boto3 does. A proxy that we cannot speak to is none that the command must do without.
    """
    name = next((name for name in ("https_proxy", "HTTPS_PROXY") if environ.get(name)), None)
    if name is not None:
        try:
            parts = urlsplit(environ[name] if "://" in environ[name] else f"http://{environ[name]}")
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
            usable = usable and not (parts.path.strip("/") or parts.query or parts.fragment)
        except ValueError:
            usable = False
        if usable:
            return True, ()
        return False, (f"{name} names no http or https proxy that can be used: calls leave for AWS directly",)
    other = next((name for name in ("all_proxy", "ALL_PROXY") if environ.get(name)), None)
    if other is None:
        return False, ()
    return False, (f"{other} is not used: calls leave for AWS directly; for a way through an http proxy set HTTPS_PROXY",)


def variants(environ: Mapping[str, str]) -> tuple[bool, bool]:
    """Whether the environment asks for FIPS and for dual-stack hosts of AWS: at an endpoint of ours, boto3 forgets both."""
    fips, dual_stack = (environ.get(f"AWS_USE_{kind}_ENDPOINT", "").lower() == "true" for kind in ("FIPS", "DUALSTACK"))
    return fips, dual_stack


def without_proxy(environ: Mapping[str, str], hosts: Iterable[str]) -> dict[str, str]:
    """``NO_PROXY`` extended by ``hosts``, where a corporate proxy is configured: calls to us must not take that way round."""
    if not any(environ.get(name) for name in PROXIES):
        return {}
    before = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    value = ",".join(part for part in (before, *hosts) if part)
    return {"NO_PROXY": value, "no_proxy": value}


NO_CALLS = (
    ("the application gives its client an endpoint_url or base_url of its own", "remove it, or set it from the environment"),
    ("the client was made by another process that was already running", "start that process under `streamgauge run` as well"),
    ("the SDK is older than endpoint variables (boto3 before 1.28)", "pip install --upgrade boto3"),
    ("the AWS SDK for JavaScript speaks HTTP/2 to Bedrock", "give its client requestHandler: new NodeHttpHandler()"),
    ("the application made no model call at all", "run a command that does"),
)
"""Why a command ran and nothing came by: likely cause and one-line fix."""
