from __future__ import annotations

import typing
from typing import Any

import pytest

from streamgauge.errors import UsageError
from streamgauge.records import Measurement
from streamgauge.reports import latency
from streamgauge.reports.latency import MAX_GROUPS, LatencyReport, Objective, columns, objective, report
from streamgauge.reports.selection import Selection, condition
from streamgauge.workload import WorkloadClass
from tests.reports.ledgers import measured


class Row(tuple[Any, ...]):  # noqa: SLOT001 - a tuple subclass with a field of its own cannot have slots
    """What a database row is: values by position and by name."""

    names: tuple[str, ...]

    def __getattr__(self, name: str) -> Any:
        return self[self.names.index(name)]


def reported(
    rows: list[Measurement], *by: str, where: tuple[str, ...] = (), aim: Objective | None = None, limit: int = 1_000_000
) -> LatencyReport:
    selection = Selection(by=by, where=tuple(condition(text) for text in where))
    names = tuple(columns(selection))
    given = []
    for m in rows:
        row = Row(getattr(m, name, None) for name in names)
        row.names = names
        given.append(row)
    return report(given, selection, aim or Objective(), limit)


def test_only_completed_exchanges_are_in_the_percentiles_and_the_others_are_counted() -> None:
    found = reported([measured(ttft=1.0), measured(ttft=9.0, outcome="stream_error"), measured(outcome="throttled")])
    (group,) = found.groups
    assert (group.counted, group.other) == (1, 2)
    assert group.percentiles("ttft") == (1, [1.0, 1.0, 1.0])
    assert found.others == {"stream_error": 1, "throttled": 1}


@pytest.mark.parametrize(("by", "where"), [((), ("outcome=stream_error",)), (("outcome",), ())])
def test_whoever_names_the_outcome_gets_every_outcome(by: tuple[str, ...], where: tuple[str, ...]) -> None:
    found = reported([measured(outcome="stream_error", ttft=9.0)], *by, where=where)
    assert found.groups[0].percentiles("ttft")[0] == 1
    assert found.groups[0].other == 0


def test_streamed_and_whole_answers_are_never_mixed() -> None:
    whole = {"streaming": False, "ttft": None, "upstream_ttft": None, "tpot": None}
    found = reported([measured(), measured(**whole), measured(**whole)], "team")
    assert [(g.key, g.streaming, g.counted) for g in found.groups] == [(("search",), True, 1), (("search",), False, 2)]
    assert found.groups[1].percentiles("ttft") == (0, [None, None, None])
    assert found.groups[1].percentiles("e2e")[0] == 2


def test_each_figure_has_its_own_count() -> None:
    (group,) = reported([measured(), measured(tpot=None), measured(ttft=None)]).groups
    assert [group.percentiles(name)[0] for name in ("ttft", "tpot", "e2e")] == [2, 2, 3]


def test_the_output_rate_of_an_exchange_is_one_over_its_tpot() -> None:
    (group,) = reported([measured(tpot=0.01), measured(tpot=0.02), measured(tpot=0.05)]).groups
    n, rates = group.percentiles("output_rate")
    assert n == 3
    assert rates == pytest.approx([50, 100, 100])


def test_hours_come_in_their_order_and_teams_by_size() -> None:
    rows = [measured(team="small"), measured(team="large"), measured(team="large"), measured(team=None)]
    assert [g.key for g in reported(rows, "team").groups] == [("large",), ("small",), (None,)]
    selection = Selection(by=("hour",))
    values = [("h10", 1), ("h09", 3), ("h11", 2)]
    width = len(columns(selection))
    given = [[hour, True, "completed", *[None] * (width - 3)] for hour, n in values for _ in range(n)]
    assert [g.key for g in report(given, selection, Objective()).groups] == [("h09",), ("h10",), ("h11",)]


def test_those_over_the_objective_are_counted_and_their_time_attributed() -> None:
    rows = [measured(), measured(ttft=3.301, upstream_ttft=3.2), measured(ttft=None)]
    over = reported(rows, aim=Objective("ttft", 2.0)).over
    assert (over.measured, over.over) == (2, 1)
    assert sum(over.first_token.values()) == pytest.approx(3.301)
    assert sum(over.whole.values()) == pytest.approx(4.0)
    assert over.first_token["provider_first"] == pytest.approx(3.15)


def test_an_exchange_at_the_limit_is_not_over_it() -> None:
    assert reported([measured(e2e=4.0)], aim=Objective("e2e", 4.0)).over.over == 0


def test_beyond_the_bound_the_report_says_that_it_sampled() -> None:
    rows = [measured(ttft=float(n)) for n in range(100)]
    assert reported(rows, limit=1_000).sampled == 1
    found = reported(rows, limit=100)
    assert found.sampled > 1
    assert found.groups[0].percentiles("ttft")[0] == 100


def test_labelled_exchanges_are_counted() -> None:
    assert reported([measured(label="drill"), measured()]).labelled == 1


def test_more_groups_than_anybody_reads_are_refused() -> None:
    rows = [measured(tenant=f"t{n}") for n in range(MAX_GROUPS + 1)]
    with pytest.raises(UsageError, match="--by tenant makes more than 10,000 groups"):
        reported(rows, "tenant")


def test_a_dimension_that_is_also_a_figure_s_column_is_asked_for_once() -> None:
    names = columns(Selection(by=("streaming", "outcome")))
    assert len(names) == len(set(names))
    assert [(g.key, g.streaming) for g in reported([measured()], "streaming", "outcome").groups] == [
        (("completed",), True)
    ]  # the mode is there anyway


def test_an_objective_is_of_classes_in_which_somebody_waits_unless_it_names_one() -> None:
    rows = [measured(workload_class=name, e2e=9.0) for name in ("interactive", "realtime", "batch", "unclassified")]
    for text, expected in [("e2e=5s", (2, 2)), ("batch:e2e=5s", (1, 3)), ("any:e2e=5s", (4, 0)), ("unclassified:e2e=5s", (1, 3))]:
        over = reported(rows, aim=objective(text)).over
        assert (over.over, over.outside) == expected


def test_the_classes_are_those_that_exchanges_can_have() -> None:
    assert set(latency.CLASSES) == set(typing.get_args(WorkloadClass))


def test_an_objective_is_read_with_its_unit() -> None:
    assert objective("ttft=800ms") == Objective("ttft", 0.8)
    assert objective("e2e=30") == Objective("e2e", 30)
    assert objective("batch:e2e=60s") == Objective("e2e", 60, ("batch",))
    assert objective("any:ttft=1s") == Objective("ttft", 1, latency.CLASSES)
    assert objective(None) == latency.DEFAULT_OBJECTIVE


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2s", "write figure=limit"),
        ("tft=1s", r"did you mean ttft\?"),
        ("ttft=soon", "not a duration"),
        ("bath:e2e=1s", r"did you mean batch\?"),
    ],
)
def test_an_objective_that_cannot_work_is_refused(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        objective(text)
