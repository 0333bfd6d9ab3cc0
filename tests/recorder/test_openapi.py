from __future__ import annotations

import json

import msgspec

from streamgauge.recorder.openapi import document
from streamgauge.records import Measurement
from tests.recorder.driving import ROOT


def test_the_document_describes_every_field_of_a_measurement_and_is_json() -> None:
    read = json.loads(json.dumps(document()))
    schema = read["paths"]["/api/v1/exchanges"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert list(schema["items"]["properties"]) == [field.name for field in msgspec.structs.fields(Measurement)]
    assert schema["items"]["properties"]["ttft"] == {"anyOf": [{"type": "number"}, {"type": "null"}]}


def test_the_page_about_the_admin_interface_names_every_path() -> None:
    page = (ROOT / "docs" / "reference" / "admin-interface.md").read_text(encoding="utf-8")
    assert [path for path in document()["paths"] if f"| `{path}` |" not in page] == []
