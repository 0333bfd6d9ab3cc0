from __future__ import annotations

from streamgauge.doctor.finding import Finding, finding, note, ok


def test_only_what_is_wrong_must_say_how_to_mend_it() -> None:
    assert ok("a", "b") == Finding("a", "ok", "b")
    assert note("a", "b").fix is None
    assert finding("a", "b", "c") == Finding("a", "finding", "b", "c")
