"""The admin API described as OpenAPI, the Measurement's schema taken from the record itself."""

from __future__ import annotations

from typing import Any

import msgspec

import streamgauge
from streamgauge.records import Measurement

_TEXT = {"type": "string"}
_COUNTS = {"type": "object", "additionalProperties": {"type": "integer"}}
_OBJECT = {"type": "object"}


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "streamgauge admin API", "version": streamgauge.__version__},
        "paths": {
            "/livez": _get("The proxy lives.", _OBJECT),
            "/readyz": _get(
                "Traffic can be served: `status` is `ready`, or `degraded` where `reasons` say what ails it or the measuring.",
                _OBJECT,
                not_ready=True,
            ),
            "/api/v1/summary": _get("Counts, spool lag, live latencies, workers, open exchanges.", _summary()),
            "/api/v1/exchanges": _get(
                "Measurements from the ledger, newest first.", {"type": "array", "items": _measurement()}, _exchange_parameters()
            ),
            "/api/v1/openapi.json": _get("This document.", _OBJECT),
        },
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}, {}],
    }


def _get(text: str, schema: dict[str, Any], parameters: list[dict[str, Any]] | None = None, not_ready: bool = False) -> dict[str, Any]:
    answers: dict[str, Any] = {"200": {"description": text, "content": {"application/json": {"schema": schema}}}}
    if not_ready:
        answers["503"] = {"description": "Not so; `reasons` has a sentence for each cause."}
    else:
        answers |= {"401": {"description": "The token is missing or wrong."}, "403": {"description": "No token is configured."}}
    if parameters:
        answers["400"] = {"description": "A parameter cannot be understood; `error` says which and why."}
        answers["503"] = {"description": "Too many questions wait for the ledger; ask later."}
        answers["504"] = {"description": "The ledger did not answer in time; ask for less."}
    return {"get": {"summary": text, "parameters": parameters or [], "responses": answers}}


def _exchange_parameters() -> list[dict[str, Any]]:
    return [
        _parameter("limit", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}, "How many at most."),
        _parameter("since", _TEXT, "Begun at or after: a span (`15m`, `24h`, `7d`) or an RFC 3339 time."),
        _parameter("where", {"type": "array", "items": _TEXT}, "`field=value`; may be repeated, all must hold."),
    ]


def _parameter(name: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": text}


def _measurement() -> dict[str, Any]:
    fields = {}
    for field in msgspec.structs.fields(Measurement):
        fields[field.name] = msgspec.json.schema(field.type)
    return {"type": "object", "properties": fields}


def _summary() -> dict[str, Any]:
    names = ("seen", "rows", "open")
    groups = ("spool", "latency", "ledger")
    return {
        "type": "object",
        "properties": {
            **{name: {"type": "integer"} for name in names},
            "unmeasured": _COUNTS,
            "outcomes": _COUNTS,
            **dict.fromkeys(groups, _OBJECT),
            "workers": {"type": "array", "items": _OBJECT},
            "open_exchanges": {"type": "array", "items": _OBJECT},
        },
    }
