"""Derives the route table from the service models of the installed botocore.

``python -m streamgauge.routes_from_botocore > proxy/streamgauge/data/routes.json`` after botocore was updated; a test says when.
No list of operations is kept by hand: only what a model cannot say is here, the dialect of each measured operation.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections import Counter
from typing import Any

import botocore
import botocore.session
import msgspec
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import EndpointProviderError

from streamgauge.routing import Partition, Route, RouteTable, Service

SERVICES = (
    "bedrock-runtime",
    "sagemaker-runtime",
    "sagemaker-inference-router-runtime",
    "sagemaker-gateway-runtime",
    "bedrock-agent-runtime",
)
"""In order of traffic. A service the installed botocore does not have is left out."""

MANTLE = Service("bedrock-mantle", "bedrock-mantle", ("bedrock-mantle",), dual_stack=True)
"""Has no service model: only OpenAI- and Anthropic-compatible routes on ``bedrock-mantle.{region}.api.aws``."""

DIALECTS = {
    "Converse": "converse",
    "ConverseStream": "converse_stream",
    "InvokeModel": "invoke",
    "InvokeModelWithResponseStream": "invoke_stream",
    "InvokeEndpoint": "sagemaker",
    "InvokeEndpointWithResponseStream": "sagemaker_stream",
    "InvokeInferenceRouter": "sagemaker",
    "InvokeGlobalInferenceGateway": "sagemaker",
    "InvokeGlobalInferenceGatewayWithResponseStream": "sagemaker_stream",
}

MODEL_LABELS = ("modelId",)
ENDPOINT_LABELS = ("EndpointName", "InferenceRouterName", "GatewayId")


def derive() -> RouteTable:
    """The table as the installed botocore has it."""
    session = botocore.session.get_session()
    names = [name for name in SERVICES if name in session.get_available_services()]
    loader = session.get_component("data_loader")
    return RouteTable(
        botocore=botocore.__version__,
        services=(*(_service(session, loader, name) for name in names), MANTLE),
        partitions=tuple(_partition(entry) for entry in loader.load_data("partitions")["partitions"]),
        routes=tuple(route for name in names for route in _routes(session, name)),
    )


def _service(session: Any, loader: Any, name: str) -> Service:
    """Host prefixes are what stands before ``.{Region}.`` in the URLs of the service's endpoint rules."""
    model = session.get_service_model(name)
    rules = loader.load_service_model(name, "endpoint-rule-set-1")
    prefixes = set(re.findall(r'"url": "https://([a-z0-9.-]+)\.\{Region\}\.', json.dumps(rules)))
    standard = model.endpoint_prefix
    partitions = loader.load_data("partitions")
    provider = EndpointProvider(rules, partitions)
    fips, dual = (_fips(provider, partitions["partitions"], dual_stack=dual) for dual in (False, True))
    return Service(name, model.signing_name, (standard, *sorted(prefixes - {standard})), fips=fips, fips_dual_stack=dual)


def _fips(provider: EndpointProvider, partitions: Any, *, dual_stack: bool) -> dict[str, str]:
    """What FIPS hosts begin with; the commonest prefix stands for all partitions that are not named."""
    found = {}
    for partition in partitions:
        region = next(name for name in partition["regions"] if re.fullmatch(partition["regionRegex"], name))
        with contextlib.suppress(EndpointProviderError):  # the partition has none
            url = provider.resolve_endpoint(Region=region, UseFIPS=True, UseDualStack=dual_stack).url
            found[partition["id"]] = url.removeprefix("https://").partition(f".{region}.")[0]
    usual = Counter(found.values()).most_common(1)[0][0]
    return {"": usual, **{name: prefix for name, prefix in found.items() if prefix != usual}}


def _partition(entry: Any) -> Partition:
    outputs = entry["outputs"]
    return Partition(entry["id"], entry["regionRegex"], outputs["dnsSuffix"], outputs["dualStackDnsSuffix"])


def _routes(session: Any, service: str) -> list[Route]:
    model = session.get_service_model(service)
    return [_route(service, model.operation_model(name)) for name in model.operation_names]


def _route(service: str, operation: Any) -> Route:
    template = operation.http["requestUri"].partition("?")[0]
    labels = re.findall(r"\{([^}+]+)\+?\}", template)
    return Route(
        service=service,
        name=operation.name,
        method=operation.http["method"],
        template=template,
        dialect=DIALECTS.get(operation.name, "opaque"),
        streaming=operation.has_event_stream_output,
        model=next((label for label in labels if label in MODEL_LABELS), None),
        endpoint=next((label for label in labels if label in ENDPOINT_LABELS), None),
    )


def main() -> None:
    """Write the table to standard output as indented JSON."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(derive()), indent=1).decode() + "\n")


if __name__ == "__main__":
    main()
