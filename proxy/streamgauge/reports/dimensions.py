"""What rows can be grouped by, and the bands that some dimensions are cut into.

Pure: bands here, the same bands as SQL in ``reports.query`` (a test holds the two together).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bands:
    """A number cut into named ranges. ``column`` holds the number; range i is ``bounds[i-1] <= value < bounds[i]``."""

    column: str
    bounds: tuple[int, ...]
    labels: tuple[str, ...]

    def label(self, value: float | None) -> str | None:
        """The name of the range that ``value`` falls into; ``None`` stays unknown."""
        if value is None:
            return None
        return self.labels[sum(1 for bound in self.bounds if value >= bound)]


PROMPT_BANDS = Bands(
    "input_tokens",
    (256, 1024, 4096, 16_384, 65_536, 200_000),
    ("<256", "256-1k", "1k-4k", "4k-16k", "16k-64k", "64k-200k", ">=200k"),
)
"""Powers of four, about where prefill time doubles and doubles again; 200,000 is where providers change the price."""

CONCURRENCY_BANDS = Bands("in_flight", (2, 5, 17, 65, 257), ("0-1", "2-4", "5-16", "17-64", "65-256", ">256"))
"""Powers of four again."""

BANDS: dict[str, Bands] = {"prompt_band": PROMPT_BANDS, "concurrency_band": CONCURRENCY_BANDS}

DIMENSIONS: dict[str, str] = {
    "team": "the tenant's team",
    "tenant": "who pays",
    "tenant_source": "what named the tenant: key_pair, token, header, ...",
    "tenant_trust": "whether the tenant was verified, is only declared, or none is known",
    "tenant_conflict": "another tenant that something else in the call names, with where it stands",
    "cost_centre": "the tenant's cost centre",
    "app": "the application, as it names itself",
    "workload_class": "interactive, realtime, batch or unclassified",
    "service": "bedrock-runtime, sagemaker-runtime, ...",
    "operation": "Converse, ConverseStream, InvokeModel, ...",
    "region": "the provider's region",
    "model": "the model by its canonical name; where that is not known, as it was requested",
    "requested_model": "the model exactly as it was requested",
    "endpoint_name": "the SageMaker endpoint",
    "variant": "the SageMaker production variant that answered",
    "service_tier": "the tier the provider says it served",
    "hour": "the UTC hour in which the exchange started",
    "day": "the UTC day in which the exchange started",
    "prompt_band": "input tokens in ranges: " + ", ".join(PROMPT_BANDS.labels),
    "concurrency_band": "exchanges in flight on the same route, in the same worker, at the start, in ranges: "
    + ", ".join(CONCURRENCY_BANDS.labels),
    "streaming": "whether the answer was streamed; of an error, whether a stream was asked for",
    "outcome": "how the exchange ended",
    "side": "whose doing it was: upstream, downstream or proxy",
    "error_type": "the short name of the error",
    "http_status": "the status the provider or the proxy answered",
    "connection_reused": "whether the upstream connection was a used one",
    "cold": "whether it was the first exchange after idle",
    "label": "drill, replay, probe, ...; none for real traffic",
    "proxy_id": "the proxy that measured it",
    "site": "where that proxy runs",
}
"""Every dimension of ``--by`` with its meaning."""


def order(dimension: str, value: object) -> tuple[int, str]:
    """A sort key within a dimension: bands by size, the rest by name, unknown last."""
    if value is None:
        return (1_000_000, "")
    bands = BANDS.get(dimension)
    if bands and value in bands.labels:
        return (bands.labels.index(str(value)), "")
    return (0, str(value))


def has_order(dimension: str) -> bool:
    """Whether a reader expects this dimension in its own order rather than the largest group first."""
    return dimension in BANDS or dimension in ("hour", "day")
