from __future__ import annotations

from streamgauge.spool.admission import Admission


def test_an_end_follows_the_decision_at_the_begin_and_is_forgotten_then() -> None:
    admission = Admission()
    admission.take("a")
    admission.refuse("b")
    assert [admission.end(i) for i in "abc"] == [True, False, None]
    assert [admission.end(i) for i in "abc"] == [None, None, None]
    assert not admission.taken | admission.refused
