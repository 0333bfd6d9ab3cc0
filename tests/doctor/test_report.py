from __future__ import annotations

import json

from streamgauge.doctor.finding import finding, note, ok
from streamgauge.doctor.report import as_json_lines, as_text

FOUND = [ok("a", "fine"), note("b", "so"), note("b", "so", "or so"), finding("c", "wrong", "mend")]


def test_every_finding_is_followed_by_its_fix() -> None:
    assert list(as_text(FOUND)) == ["ok    a: fine", "note  b: so", "note  b: so", "      or so", "FIX   c: wrong", "      fix: mend"]


def test_programs_get_an_object_each() -> None:
    assert json.loads(list(as_json_lines(FOUND))[3]) == {"subject": "c", "verdict": "finding", "text": "wrong", "fix": "mend"}
