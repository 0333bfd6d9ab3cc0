from __future__ import annotations

import json

import msgspec

from streamgauge.recorder.openapi import document
from streamgauge.records import Measurement


def test_the_document_describes_every_field_of_a_measurement_and_is_json() -> None:
    read = json.loads(json.dumps(document()))
    schema = read["paths"]["/api/v1/exchanges"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert list(schema["items"]["properties"]) == [field.name for field in msgspec.structs.fields(Measurement)]
    assert schema["items"]["properties"]["ttft"] == {"anyOf": [{"type": "number"}, {"type": "null"}]}
