"""What a caller writes for a model (id, geo prefix, ARN) to the model that is billed, and the routing scope it asks for.

Knows: the forms of names. Must not know: which models there are (``book``).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

import msgspec

Scope = Literal["regional", "geo", "global"]
"""How a call may be routed: within its region, within a geography (``us.``, ``eu.`` ...), anywhere (``global.``). Each has its price."""

Form = Literal[
    "model",
    "foundation-model",
    "inference-profile",
    "application-inference-profile",
    "prompt-router",
    "provisioned-model",
    "imported-model",
    "custom-model",
    "custom-model-deployment",
    "marketplace-endpoint",
    "unknown",
]
"""What the name is. Only the first three name a model by themselves."""

OPAQUE = frozenset({"application-inference-profile", "prompt-router", "custom-model", "custom-model-deployment"})
"""Names that stand for a model which only AWS, the answer or the operator can tell."""

BY_TIME = frozenset({"provisioned-model", "imported-model", "marketplace-endpoint"})
"""Billed for the time that capacity stands ready, never by the token."""

GEOGRAPHIES = ("us-gov", "us", "eu", "apac", "au", "jp", "in", "ca", "sa")
"""Prefixes of geographic inference profiles; ``global`` is a scope of its own."""

_PREFIX = re.compile(rf"({'|'.join(GEOGRAPHIES)}|global)\.(?=[a-z0-9])")
_ARN = re.compile(r"arn:aws[a-z-]*:(bedrock|sagemaker):([a-z0-9-]*):\d*:([a-z-]+)/(.+)")
_VARIANT = re.compile(r"(:\d+)?:(\d+k|mm)$")
"""A context length or modality behind the version (``amazon.nova-pro-v1:0:300k``): the same model at the same price."""

_RESOURCES: dict[str, Form] = {
    "foundation-model": "foundation-model",
    "inference-profile": "inference-profile",
    "application-inference-profile": "application-inference-profile",
    "default-prompt-router": "prompt-router",
    "prompt-router": "prompt-router",
    "provisioned-model": "provisioned-model",
    "imported-model": "imported-model",
    "custom-model": "custom-model",
    "custom-model-deployment": "custom-model-deployment",
    "marketplace": "marketplace-endpoint",
    "endpoint": "marketplace-endpoint",
}

MAX_NAME = 2_048
"""Bytes of the longest ARN that AWS accepts for a model; what is longer is no name."""


class ModelName(msgspec.Struct, frozen=True):
    """A name, read. ``model``: without prefix, ``None`` where the name does not tell. ``scope``: ``None`` where the name does not decide it.

    ``geography``: the prefix. ``region``: an ARN's.
    """

    form: Form
    model: str | None = None
    scope: Scope | None = None
    geography: str | None = None
    region: str | None = None


@lru_cache(maxsize=4_096)
def read_name(text: str) -> ModelName:
    """What ``text`` names. Never fails; what is no name is ``unknown``."""
    name = text.strip()
    if not name or len(name) > MAX_NAME:
        return ModelName("unknown")
    if not name.startswith("arn:"):
        return _plain(name, "model", None)
    arn = _ARN.fullmatch(name)
    form = _RESOURCES.get(arn[3], "unknown") if arn else "unknown"
    if arn is None or form == "unknown":
        return ModelName("unknown")
    region = arn[2] or None
    if form == "foundation-model" or (form == "inference-profile" and _PREFIX.match(arn[4])):
        return _plain(arn[4], form, region)
    if form == "inference-profile":
        return ModelName("application-inference-profile", region=region)
    return ModelName(form, region=region)


def _plain(name: str, form: Form, region: str | None) -> ModelName:
    prefix = _PREFIX.match(name)
    if prefix is None:
        return ModelName(form, name, "regional" if form == "foundation-model" else None, None, region)
    geography = prefix[1]
    return ModelName(form, name[prefix.end() :], "global" if geography == "global" else "geo", geography, region)


def without_variant(model: str) -> str:
    """The id without a context length behind its version; the same text if it has none."""
    found = _VARIANT.search(model)
    return model[: found.start()] + (found[1] or "") if found else model
