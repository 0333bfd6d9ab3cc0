"""Token counts from several statements."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streamgauge.measure.usage import FIELDS, Tally
from streamgauge.records import Usage, UsageReported

count = st.none() | st.integers(0, 10**6)
usage = st.builds(Usage, **dict.fromkeys(FIELDS, count))


def tally(*statements: UsageReported) -> Tally:
    made = Tally()
    for statement in statements:
        made.add(statement)
    return made


def own(**counts: Any) -> UsageReported:
    return UsageReported(Usage(**counts))


def second(**counts: Any) -> UsageReported:
    return UsageReported(Usage(**counts), preferred=False)


def test_without_a_statement_nothing_is_known() -> None:
    assert tally().result() is None
    assert tally().conflict() is None


def test_the_last_stated_count_of_each_field_stands() -> None:
    made = tally(own(input_tokens=10, output_tokens=1), own(output_tokens=7), own(output_tokens=None, reasoning_tokens=2))
    assert made.result() == Usage(input_tokens=10, output_tokens=7, reasoning_tokens=2)


def test_a_stated_zero_replaces_a_count() -> None:
    assert tally(own(cache_read_tokens=5), own(cache_read_tokens=0)).result() == Usage(cache_read_tokens=0)


def test_the_second_source_fills_up_but_does_not_replace() -> None:
    for statements in (
        [own(output_tokens=7), second(output_tokens=8, input_tokens=3)],
        [second(output_tokens=8, input_tokens=3), own(output_tokens=7)],
    ):
        assert tally(*statements).result() == Usage(input_tokens=3, output_tokens=7)


def test_the_second_source_stands_alone_where_there_is_no_other() -> None:
    made = tally(second(input_tokens=3), second(output_tokens=4))
    assert made.result() == Usage(input_tokens=3, output_tokens=4)
    assert made.conflict() is None


def test_a_contradiction_is_kept_with_the_second_sources_counts() -> None:
    made = tally(own(input_tokens=3, output_tokens=7, cache_read_tokens=1), second(input_tokens=3, output_tokens=8, reasoning_tokens=2))
    assert made.conflict() == {"output_tokens": 8}


def test_agreement_is_no_conflict() -> None:
    assert tally(own(input_tokens=3), second(input_tokens=3, output_tokens=4)).conflict() is None


@given(st.lists(st.tuples(usage, st.booleans()), max_size=8))
def test_the_result_depends_only_on_the_order_within_each_source(statements: list[tuple[Usage, bool]]) -> None:
    reported = [UsageReported(counts, preferred=preferred) for counts, preferred in statements]
    by_source = sorted(reported, key=lambda statement: statement.preferred)
    mixed, sorted_ = tally(*reported), tally(*by_source)
    assert (mixed.result(), mixed.conflict()) == (sorted_.result(), sorted_.conflict())


@given(st.lists(usage, min_size=1, max_size=8))
def test_a_count_is_known_exactly_where_somebody_stated_it(statements: list[Usage]) -> None:
    result = tally(*map(UsageReported, statements)).result()
    for name in FIELDS:
        stated = [value for value in (getattr(counts, name) for counts in statements) if value is not None]
        assert getattr(result, name) == (stated[-1] if stated else None)


@given(usage, usage)
def test_usage_is_whole_once_both_directions_are_stated_by_whomever(first: Usage, other: Usage) -> None:
    made = tally(UsageReported(first), UsageReported(other, preferred=False))
    stands = made.result()
    assert stands is not None
    assert made.is_whole == (stands.input_tokens is not None and stands.output_tokens is not None)
    assert not tally().is_whole
