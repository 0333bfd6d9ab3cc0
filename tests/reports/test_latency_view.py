from __future__ import annotations

from streamgauge.records import Measurement
from streamgauge.reports.bars import ASCII
from streamgauge.reports.latency import Objective
from streamgauge.reports.latency_view import plot, records, show, spenders, summary, tables, verdict
from streamgauge.reports.table import Table, lines
from tests.reports.ledgers import day, measured
from tests.reports.test_latency import reported

WHOLE = {"streaming": False, "ttft": None, "upstream_ttft": None, "tpot": None}


def text(table: Table, width: int | None = None) -> str:
    return "\n".join(line.text for line in lines(table, width))


def many(n: int) -> list[Measurement]:
    return [measured(ttft=0.5 + i / 1000) for i in range(n)]


def test_every_percentile_stands_beside_its_count() -> None:
    felt, caused = tables(reported(many(200)))
    assert "stream      0   200  0.599  0.689  0.697   200  4.00  4.00  4.00" in text(felt)
    assert "upstream TTFT, s" in text(caused)
    assert "35.7" in text(caused), "tokens/s is 1 / 28 ms"
    assert "~" not in text(felt) + text(caused)


def test_percentiles_of_few_values_are_marked_and_explained() -> None:
    felt, caused = tables(reported(many(99)))
    assert "0.549~" in text(felt)
    assert "~ fewer than 100 values" in text(caused)


def test_what_is_not_in_the_percentiles_is_said() -> None:
    _, caused = tables(reported([measured(), measured(outcome="throttled"), measured(label="drill"), measured(**WHOLE)]))
    assert "other = not completed, in no percentile: 1 throttled" in text(caused)
    assert "whole = answered in one piece" in text(caused)
    assert "1 exchange of drills, replays or probes included" in text(caused)


def test_a_whole_answer_has_dashes_for_what_it_cannot_have() -> None:
    felt, _ = tables(reported([measured(**WHOLE)]))
    assert text(felt).splitlines()[-1].split() == ["whole", "0", "-", "-", "-", "-", "1", "4.00~", "4.00~", "4.00~"]


def test_a_group_without_completed_exchanges_is_in_the_first_table_only() -> None:
    felt, caused = tables(reported([measured(), measured(team="broken", outcome="timeout")], "team"))
    assert "broken" in text(felt)
    assert "broken" not in text(caused)


def test_sampling_is_said() -> None:
    _, caused = tables(reported(many(200), limit=200))
    assert "percentiles of the largest groups come from every" in text(caused)


def test_the_default_view_fits_80_columns() -> None:
    for table in tables(reported(day(2_000), "team", "requested_model")):
        assert max(len(line) for line in text(table, 80).splitlines()) <= 80


def test_no_name_is_cut_off_on_a_narrow_screen() -> None:
    rows = day(500)
    (felt, _) = tables(reported(rows, "team", "requested_model"))
    assert all(m.requested_model in text(felt, 80) for m in rows if m.requested_model)


def test_the_verdict_counts_what_it_could_not_judge() -> None:
    found = reported([measured(ttft=3.0), measured(), measured(**WHOLE)])
    assert verdict(found) == ["TTFT objective 2.00 s: 1 of 2 exchanges were over it (50 %); 1 more have no TTFT"]
    assert verdict(reported([measured(**WHOLE)])) == [
        "TTFT objective 2.00 s: no interactive or realtime exchange in this selection has that figure"
    ]


def test_calls_of_another_class_are_counted_apart_from_the_objective() -> None:
    rows = [measured(ttft=3.0), measured(workload_class="batch", ttft=9.0), measured(workload_class="unclassified")]
    assert verdict(reported(rows)) == [
        "TTFT objective 2.00 s: 1 of 1 exchange were over it (100 %); 2 of another workload class have no such objective"
    ]
    (told,) = verdict(reported(rows[2:]))
    assert told.endswith("; 1 of another workload class have no such objective, --objective any:ttft=... takes all")


def test_who_spent_the_time_is_told_to_the_first_token_and_in_whole() -> None:
    table = spenders(reported([measured(ttft=3.301, upstream_ttft=3.2)]))
    assert table is not None
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["the provider before its first token"] == ["3.15 s", "95.4 %", "3.15 s", "79 %"]
    assert rows["the provider's generation"][:2] == ["-", "-"]
    assert spenders(reported([measured()])) is None


def test_an_objective_for_whole_answers_leaves_the_first_token_open() -> None:
    table = spenders(reported([measured(**WHOLE, connect=None, upload=0.0, overhead_request=0.0)], aim=Objective("e2e", 1.0)))
    assert table is not None
    assert table.rows[0][0] == "the provider before its first token"


def test_the_picture_holds_all_streams_and_names_the_percentiles() -> None:
    lines_ = plot(reported(many(200)), 80, ASCII)
    assert lines_[0] == "TTFT of 200 streams"
    assert any("p50" in line for line in lines_)
    assert plot(reported([measured(**WHOLE)]), 80) == []


def test_programs_get_seconds_and_null() -> None:
    found = reported([measured(), measured(**WHOLE)], "team")
    stream, whole = records(found)
    assert (stream["team"], stream["streaming"], stream["counted"], stream["ttft_n"], stream["ttft_p50"]) == ("search", True, 1, 1, 1.101)
    assert (whole["ttft_n"], whole["ttft_p99"]) == (0, None)
    assert summary(found)["objective"] == {
        "figure": "ttft",
        "limit": 2.0,
        "classes": ["interactive", "realtime"],
        "measured": 1,
        "over": 0,
        "outside": 0,
    }


def test_values_of_dimensions_are_shown_as_words() -> None:
    assert [show(value) for value in (None, True, 429, "nova")] == ["-", "true", "429", "nova"]
