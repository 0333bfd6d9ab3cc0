"""The endpoint variables of the SDKs: what an application's environment says now, and what must be set so that it calls us.

Knows: the variables of boto3, the Anthropic and OpenAI SDKs and LiteLLM, and how each appends paths to its base URL.
Must not know: processes, sockets. The environment is an argument.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

import msgspec


class Variable(msgspec.Struct, frozen=True):
    """One environment variable, whose calls it redirects, the service behind it, and the path its value ends in."""

    name: str
    client: str
    service: str
    path: str = ""


OPENAI = "OPENAI_BASE_URL"

VARIABLES = (
    Variable("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "boto3 (Bedrock)", "bedrock-runtime"),
    Variable("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", "boto3 (SageMaker)", "sagemaker-runtime"),
    Variable("ANTHROPIC_BEDROCK_BASE_URL", "anthropic (AnthropicBedrock)", "bedrock-runtime"),
    Variable("ANTHROPIC_BEDROCK_MANTLE_BASE_URL", "anthropic (Mantle)", "bedrock-mantle", "/anthropic"),
    Variable("AWS_BEDROCK_RUNTIME_ENDPOINT", "LiteLLM", "bedrock-runtime"),
    Variable(OPENAI, "openai", "bedrock-runtime", "/openai/v1"),
)

OPENAI_OWN_KEY = "sk-"
"""OpenAI's own keys begin like this. An application that has one talks to OpenAI, not to Bedrock, and must be left alone."""


_BEDROCK_HOST = re.compile(
    r"(?:vpce-[a-z0-9-]+\.)?bedrock-runtime(?:-fips)?\.[a-z0-9-]+\.(?:vpce\.)?(?P<suffix>amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu|api\.aws)"
)


class Redirection(msgspec.Struct, frozen=True):
    """What ``run`` does to an environment: variables to set, upstreams that were configured there before, sentences for the user."""

    variables: dict[str, str]
    upstreams: dict[str, str]
    notes: tuple[str, ...]


def redirect(environ: Mapping[str, str], base: str, configured: Mapping[str, str], home: str | None = None) -> Redirection:
    """Point every SDK at ``base``; an endpoint that the environment names already becomes our upstream, unless ``configured`` has one.

    ``home`` is the region of requests that name none; default: the environment's. A variable whose calls would reach another host through us
    than without us is left alone, with a note.
    """
    variables: dict[str, str] = {}
    upstreams: dict[str, str] = {}
    notes: list[str] = []
    for variable in VARIABLES:
        before = environ.get(variable.name) or (environ.get("AWS_ENDPOINT_URL") if variable.client.startswith("boto3") else None)
        if variable.name == OPENAI:
            reason = _not_for_us(environ, before, {**upstreams, **configured}.get(variable.service), home or region(environ))
        else:
            reason = None
            if before and variable.service not in configured:
                named = _without_path(before) if variable.path else before.rstrip("/")
                if upstreams.setdefault(variable.service, named) != named:
                    reason = f"another variable names a different endpoint for {variable.service}; calls that use this one are not measured"
        if reason:
            notes.append(f"{variable.name} is left alone: {reason}")
            continue
        path = urlsplit(before).path if before else variable.path
        variables[variable.name] = base + (path if variable.path or not before else "")
    if environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        variables["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "false"
        notes.append("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS is set to false for this command, so that boto3 finds the proxy")
    if environ.get("AWS_BEARER_TOKEN_BEDROCK"):
        notes.append("AWS_BEARER_TOKEN_BEDROCK is set: boto3 sends bearer keys over https only and will refuse this http proxy")
    return Redirection(variables, upstreams, tuple(notes))


def _not_for_us(environ: Mapping[str, str], base_url: str | None, upstream: str | None, home: str | None) -> str | None:
    """Why OPENAI_BASE_URL must stay as it is, or None.

    It never defines an upstream: any provider may stand there, and boto3's calls, prompt and session token included, would go to him.
    """
    if not base_url:
        own = environ.get("OPENAI_API_KEY", "").startswith(OPENAI_OWN_KEY)
        return "this application talks to OpenAI itself, not to Bedrock" if own else None
    host = urlsplit(base_url).hostname or ""
    aws = _BEDROCK_HOST.fullmatch(host)
    if not aws:
        return "it names another host than those of Bedrock's runtime"
    reached = urlsplit(upstream).hostname if upstream else f"bedrock-runtime.{home}.{aws['suffix']}"
    if host == reached:
        return None
    return f"calls through the proxy would not reach {host}; to measure them add --upstream bedrock-runtime=https://{host}"


def _without_path(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, "", "", ""))


def region(environ: Mapping[str, str]) -> str | None:
    """The region of calls that do not name one themselves."""
    return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")


def without_proxy(environ: Mapping[str, str], host: str) -> dict[str, str]:
    """``NO_PROXY`` extended by ``host``, where a corporate proxy is configured: calls to us must not take that way round."""
    if not any(environ.get(name) for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")):
        return {}
    before = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    value = ",".join(part for part in (before, host) if part)
    return {"NO_PROXY": value, "no_proxy": value}


NO_CALLS = (
    ("the application gives its client an endpoint_url or base_url of its own", "remove it, or set it from the environment"),
    ("the client was made by another process that was already running", "start that process under `streamgauge run` as well"),
    ("the SDK is older than endpoint variables (boto3 before 1.28)", "pip install --upgrade boto3"),
    (
        "boto3 with a bearer key (AWS_BEARER_TOKEN_BEDROCK) refuses an http endpoint",
        "use AWS credentials for this run: unset AWS_BEARER_TOKEN_BEDROCK",
    ),
    ("the AWS SDK for JavaScript speaks HTTP/2 to Bedrock", "give its client requestHandler: new NodeHttpHandler()"),
    ("the application made no model call at all", "run a command that does"),
)
"""Why a command ran and nothing came by: likely cause and one-line fix."""
