from __future__ import annotations

import random
from datetime import timedelta

from streamgauge.sinks.rollup import COLUMNS, DAY, MAX_TOKENS, Tally, by_day, hash_of, of_row, tally
from streamgauge.sinks.rollup_table import COUNTS, KEYS
from tests.sinks.money_rows import MIDNIGHT, by_team_and_day, row, rows, total_pico

COST = len(COUNTS)


def _by_team_and_day(found: Tally) -> dict[tuple[str | None, str], tuple[int, int, int, int]]:
    places = [0, COUNTS.index("input_tokens"), COUNTS.index("output_tokens"), COST]
    sums: dict[tuple[str | None, str], list[int]] = {}
    for (period, keys), numbers in found.sums.items():
        into = sums.setdefault((keys[KEYS.index("team")], period), [0] * 4)
        for place, at in enumerate(places):
            into[place] += numbers[at]
    return {group: (a, b, c, d) for group, (a, b, c, d) in sums.items()}


def test_rows_are_added_up_exactly_on_both_sides_of_midnight() -> None:
    given = rows(500)
    assert _by_team_and_day(tally(given, DAY)) == by_team_and_day(given)
    assert len({period for period, _ in tally(given, DAY).sums}) == 2


def test_hours_add_up_to_days() -> None:
    given = rows(300)
    assert by_day(tally(given)).sums == tally(given, DAY).sums


def test_the_order_of_rows_and_of_portions_does_not_matter() -> None:
    given = rows(200)
    whole, parts = tally(given), Tally()
    random.Random(2).shuffle(given)
    for start in range(0, 200, 7):
        parts.add_tally(tally(given[start : start + 7]))
    assert parts.sums == whole.sums


def test_a_line_of_a_table_comes_back_as_what_it_was_made_of() -> None:
    found, again = tally(rows(200)), Tally()
    found.adjust(of_row(row("a", team="search")), -7)
    for line in found.lines():
        assert len(line) == len(COLUMNS)
        again.add_stored(line[0], line[2 : 2 + len(KEYS)], line[2 + len(KEYS) :])
    assert again.sums == found.sums


def test_money_taken_away_is_whole_dollars_below_and_pico_dollars_above() -> None:
    found = Tally()
    found.adjust(of_row(row("a")), -1)
    (line,) = found.lines()
    assert dict(zip(COLUMNS, line, strict=True))["adjusted_dollars"] == -1
    assert dict(zip(COLUMNS, line, strict=True))["adjusted_picos"] == 10**12 - 1


def test_what_is_unknown_adds_nothing_and_is_counted() -> None:
    found = tally([row("a"), row("b", usage_source="estimated", output_tokens=5, cost_usd="0"), row("c", cost_usd="a lot")])
    (numbers,) = found.sums.values()
    counted = dict(zip(COUNTS, numbers[:COST], strict=True))
    assert (counted["exchanges"], counted["priced"], counted["usage_unknown"], counted["usage_estimated"]) == (3, 1, 2, 1)
    assert (counted["output_tokens"], numbers[COST]) == (5, 0)


def test_a_count_that_nobody_can_have_used_is_left_out() -> None:
    for absurd in (MAX_TOKENS + 1, 2**63 - 1, -1):
        assert next(iter(tally([row("a", input_tokens=absurd)]).sums.values()))[COUNTS.index("input_tokens")] == 0
    assert next(iter(tally([row("a", input_tokens=MAX_TOKENS)]).sums.values()))[COUNTS.index("input_tokens")] == MAX_TOKENS


def test_a_retry_and_the_model_as_requested_are_told_apart() -> None:
    found = tally(
        [
            row("a", sdk_attempt=1),
            row("b", sdk_attempt=3),
            row("c"),
            row("d", model="m", requested_model="arn"),
            row("e", requested_model="arn"),
        ]
    )
    attempts = {keys[KEYS.index("attempt")] for _, keys in found.sums}
    assert attempts == {"first", "again", None}
    assert {keys[KEYS.index("model")] for _, keys in found.sums} == {None, "m", "arn"}


def test_absent_and_empty_are_two_groups() -> None:
    assert hash_of((None,)) != hash_of(("",))
    assert len(tally([row("a", team=None), row("b", team="")]).sums) == 2


def test_sums_beyond_64_bits_of_pico_dollars_stay_exact() -> None:
    given = [row(str(n), MIDNIGHT + timedelta(seconds=n), cost_usd="9000000.000000000001") for n in range(5)]
    (line,) = tally(given).lines()
    named = dict(zip(COLUMNS, line, strict=True))
    assert named["cost_dollars"] * 10**12 + named["cost_picos"] == total_pico(given) > 2**63
