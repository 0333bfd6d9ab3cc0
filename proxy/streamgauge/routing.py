"""Which operation a request asks for, found from its method and raw target.

Knows: the route table derived from botocore's service models (``data/routes.json``) and the few OpenAI- and Anthropic-compatible suffixes.
Must not know: hosts, signatures, bodies. The raw percent-encoded path is matched and only the groups are decoded afterwards:
SDKs differ in what they quote inside a model ARN, and a path that was decoded first can no longer be told from another one.
"""

from __future__ import annotations

import re
from importlib import resources
from urllib.parse import unquote

import msgspec

from streamgauge.records import Operation

UNKNOWN = "unknown"
"""Service of an operation whose path tells none."""

MAX_PATH_CHARS = 16_384
"""Longer paths are opaque without being looked at. A model id has at most 2,048 characters, 6,144 when every one is percent-encoded."""

MAX_LABEL_CHARS = 2_048
"""AWS's own limit of a model id. A longer label is relayed, and not recorded."""

SEEN_KEPT = 1_024
SEEN_PATH_CHARS = 512
"""Remembered matches: an application has a handful of models; with paths up to 512 characters the memory ends at about 1 MB."""


class Service(msgspec.Struct, frozen=True):
    """One AWS service: its name, the name its signatures carry, and what its host names begin with (the standard one first).

    ``dual_stack`` is true where the standard host has the dual-stack suffix (``api.aws``). ``fips`` and ``fips_dual_stack``: what FIPS hosts begin
    with, by partition, ``""`` for those not named; empty where there are none.
    """

    name: str
    signing_name: str
    host_prefixes: tuple[str, ...]
    dual_stack: bool = False
    fips: dict[str, str] = {}
    fips_dual_stack: dict[str, str] = {}


class Partition(msgspec.Struct, frozen=True):
    """One AWS partition: a regular expression of its regions and the two suffixes of its host names."""

    name: str
    regions: str
    dns_suffix: str
    dual_stack_suffix: str


class Route(msgspec.Struct, frozen=True):
    """One operation's line in the table. ``model`` and ``endpoint`` name the template's label that carries them."""

    service: str
    name: str
    method: str
    template: str
    dialect: str = "opaque"
    streaming: bool | None = None
    model: str | None = None
    endpoint: str | None = None


class RouteTable(msgspec.Struct, frozen=True):
    """All that is shipped as ``data/routes.json``. ``botocore`` is the version it was derived from."""

    botocore: str
    services: tuple[Service, ...]
    partitions: tuple[Partition, ...]
    routes: tuple[Route, ...]


def shipped_table() -> RouteTable:
    """The table of this release. It is package data read like code, so this pure module may load it."""
    data = resources.files("streamgauge").joinpath("data/routes.json").read_bytes()
    return msgspec.json.decode(data, type=RouteTable)


COMPATIBLE = (
    ("/chat/completions", "ChatCompletions", "openai_chat", None),
    ("/messages", "Messages", "anthropic", None),
    ("/messages/count_tokens", "CountMessageTokens", "opaque", False),
    ("/responses", "Responses", "openai_responses", None),
)
"""Routes that no service model has: suffix, operation name, dialect, streaming (``None``: only the body tells). All are POST."""


def template_pattern(template: str) -> re.Pattern[str]:
    """The pattern of a botocore URI template on raw paths; labels become groups of their name. It is anchored at the end only,
    so that ``search`` also finds the operation behind a base URL's own path."""
    parts = re.split(r"\{([^}]+)\}", template.partition("?")[0])
    text = "".join(_group(part) if index % 2 else re.escape(part) for index, part in enumerate(parts))
    return re.compile(text + r"\Z")


def _group(label: str) -> str:
    return f"(?P<{label.rstrip('+')}>{'.+' if label.endswith('+') else '[^/]+'})"


class Routes:
    """The table, ready to match. One object per process; matches are remembered, bounded by ``SEEN_KEPT``."""

    def __init__(self, table: RouteTable) -> None:
        self._by_method: dict[str, list[tuple[re.Pattern[str], Route]]] = {}
        self._lenient: dict[tuple[str, str], list[tuple[str, Route]]] = {}
        self._seen: dict[tuple[str, str, str | None], Operation] = {}
        for route in table.routes:
            self._by_method.setdefault(route.method, []).append((template_pattern(route.template), route))
            prefix, _, rest = route.template.partition("{")
            label, _, verb = rest.partition("}/")
            if verb and label in (route.model, route.endpoint):
                self._lenient.setdefault((route.method, verb), []).append((prefix, route))

    @classmethod
    def shipped(cls) -> Routes:
        """The routes of this release."""
        return cls(shipped_table())

    def match(self, method: str, raw_target: str | bytes, service: str | None = None) -> Operation:
        """The operation of a request; never fails, an unknown path is ``opaque``.

        ``raw_target`` is the request target as received: origin or absolute form, a query is ignored. ``service`` says which
        service the caller addressed where the path alone does not tell (unknown paths, OpenAI- and Anthropic-compatible routes).
        """
        if isinstance(raw_target, bytes):
            raw_target = raw_target.decode("latin-1")
        path = raw_target.partition("?")[0]
        key = (method, path, service)
        seen = self._seen.get(key)
        if seen is not None:
            return seen
        operation = self._find(method, path, service or UNKNOWN)
        if len(path) <= SEEN_PATH_CHARS:
            if len(self._seen) >= SEEN_KEPT:
                self._seen.clear()
            self._seen[key] = operation
        return operation

    def _find(self, method: str, path: str, service: str) -> Operation:
        if len(path) > MAX_PATH_CHARS:
            return Operation(service, "opaque", "opaque")
        return (
            self._by_template(method, path)
            or self._with_raw_slash(method, path)
            or _compatible(method, path, service)
            or Operation(service, "opaque", "opaque")
        )

    def _by_template(self, method: str, path: str) -> Operation | None:
        """The longest suffix of the path that a template matches: what stands before it is the base URL's own path."""
        found = [(hit.start(), hit, route) for pattern, route in self._by_method.get(method, ()) if (hit := pattern.search(path))]
        if not found:
            return None
        _, hit, route = min(found, key=lambda item: item[0])
        labels = hit.groupdict()
        return _operation(route, labels.get(route.model or ""), labels.get(route.endpoint or ""))

    def _with_raw_slash(self, method: str, path: str) -> Operation | None:
        """Hand-made URLs leave the slash of an ARN raw; then the label is all between prefix and last segment.

        Done with ``find`` and not with ``.+``, whose backtracking a hostile path could make quadratic.
        """
        head, _, verb = path.rpartition("/")
        for prefix, route in self._lenient.get((method, verb), ()):
            start = head.find(prefix)
            if start >= 0 and (label := head[start + len(prefix) :]):
                return _operation(route, label if route.model else None, label if route.endpoint else None)
        return None


def _compatible(method: str, path: str, service: str) -> Operation | None:
    if method == "POST":
        for suffix, name, dialect, streaming in COMPATIBLE:
            if path.endswith(suffix):
                return Operation(service, name, dialect, streaming)
    return None


def _operation(route: Route, model: str | None, endpoint: str | None) -> Operation:
    return Operation(route.service, route.name, route.dialect, route.streaming, _label(model), _label(endpoint))


def _label(raw: str | None) -> str | None:
    """The decoded label, or ``None`` where it is no name: it ends up in records and logs, so no control characters and no novels."""
    if raw is None:
        return None
    text = unquote(raw)
    return text if len(text) <= MAX_LABEL_CHARS and text.isprintable() else None
