"""Whether a guardrail of Bedrock intervened in an InvokeModel answer, whichever family answered.

The member ``amazon-bedrock-guardrailAction`` (API reference of InvokeModel) is added to the family's own JSON, on the top level or, in
Claude's ``message_start``, one below; the family's own reason to stop is then an ordinary one or missing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from streamgauge.records import Finished, StreamEvent

INTERVENED = "guardrail_intervened"
"""Converse's word for it, used for all families so that one name counts them."""

KEY = b"amazon-bedrock-guardrailAction"

_intervened = re.compile(rb'"amazon-bedrock-guardrailAction"\s*:\s*"(?:GUARDRAIL_)?INTERVENED"').search


def intervened(payload: bytes) -> bool:
    """Whether this JSON says so. A text that quotes the member does not match: its quotation marks are escaped."""
    return KEY in payload and _intervened(payload) is not None


def with_reason(events: Sequence[StreamEvent]) -> list[StreamEvent]:
    """The same events with the guardrail as the reason to stop."""
    return [Finished(INTERVENED) if isinstance(event, Finished) else event for event in events]
