"""The dated mapping: who belongs where on which day, and every mistake in the file with its line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.errors import UsageError
from streamgauge.tenancy.org_mapping import MAX_ROWS, SHOWN, Placed, read_mapping

HEAD = "kind,name,team,cost_centre,from,until\n"
GOOD = (
    HEAD + "# chat was in search until the summer\n"
    "tenant,chat,search,,2026-01-01,2026-07-01\n"
    "tenant,chat,assistants,,2026-07-01,\n"
    "tenant,lab,,CC-9,2026-01-01,2026-03-01\n"
    "\n"
    "team,search,engineering,,2026-01-01,\n"
    "team,assistants,,CC-2,2026-01-01,\n"
    "team,assistants,,CC-3,2026-10-01,\n"
    "team,engineering,,CC-1,2026-01-01,\n"
)


@pytest.mark.parametrize(
    ("tenant", "stated", "day", "placed"),
    [
        ("chat", None, "2025-12-31", Placed()),
        ("chat", None, "2026-01-01", Placed("search", "CC-1")),
        ("chat", None, "2026-06-30", Placed("search", "CC-1")),
        ("chat", None, "2026-07-01", Placed("assistants", "CC-2")),
        ("chat", None, "2026-09-30", Placed("assistants", "CC-2")),
        ("chat", None, "2026-10-01", Placed("assistants", "CC-3")),
        ("chat", "claimed", "2026-10-01", Placed("assistants", "CC-3")),
        ("lab", None, "2026-02-28", Placed(None, "CC-9")),
        ("lab", None, "2026-03-01", Placed()),
        ("unlisted", "search", "2026-03-01", Placed("search", "CC-1")),
        ("unlisted", "unlisted", "2026-03-01", Placed("unlisted", None)),
    ],
)
def test_a_tenant_belongs_where_the_row_of_that_day_says(tenant: str, stated: str | None, day: str, placed: Placed) -> None:
    assert read_mapping(GOOD, "m.csv").place(tenant, stated, day) == placed


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("tenant,a,x,,2026-01-01,\ntenant,a,y,,2026-01-01,", "line 3: tenant a overlaps line 2 from 2026-01-01 on"),
        ("tenant,a,x,,2026-01-01,2026-06-01\ntenant,a,y,,2026-05-01,", "line 3: tenant a overlaps line 2 from 2026-05-01 on"),
        ("tenant,a,y,,2026-05-01,\ntenant,a,x,,2026-01-01,2026-06-01", "line 3: tenant a overlaps line 2 from 2026-05-01 on"),
        ("team,a,b,,2026-01-01,\nteam,b,a,,2026-02-01,", "line 3: from 2026-02-01 on the teams go round in a circle: b -> a -> b"),
        ("team,a,a,,2026-01-01,", "line 2: from 2026-01-01 on the teams go round in a circle: a -> a"),
        ("tenant,a,serach,,2026-01-01,\nteam,search,,CC,2026-01-01,", "line 2: team serach has no line of its own; did you mean search?"),
        ("tenant,a,zzz,,2026-01-01,\nteam,search,,CC,2026-01-01,", "line 2: team zzz has no line of its own: give it one"),
        ("user,a,x,,2026-01-01,", "line 2: kind 'user' is neither tenant nor team"),
        ("tenant,a,,,2026-01-01,", "line 2: names neither a team nor a cost centre that it belongs to"),
        ("tenant,,x,,2026-01-01,", "line 2: names nobody"),
        ("tenant,a b,x,,2026-01-01,", "line 2: 'a b' is not a name"),
        ("tenant,a,x,,01.02.2026,", "line 2: '01.02.2026' is not a day such as 2026-01-31"),
        ("tenant,a,x,,,", "line 2: '' is not a day"),
        ("tenant,a,x,,2026-02-01,2026-01-01", "line 2: ends on 2026-01-01, before it begins on 2026-02-01"),
        ("tenant,a,x,,2026-02-01,,,", "line 2: has 8 columns instead of 6"),
        ("tenant,a", "line 2: names neither a team"),
    ],
)
def test_a_mistake_is_named_with_its_line(rows: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_mapping(HEAD + rows + "\n", "teams.csv")
    assert "in the mapping teams.csv" in str(caught.value)
    assert told in str(caught.value)


def test_a_circle_that_was_undone_before_it_closed_is_none() -> None:
    read_mapping(HEAD + "team,a,b,,2026-01-01,2026-02-01\nteam,a,,CC,2026-02-01,\nteam,b,a,,2026-02-01,\n", "m.csv")


def test_all_mistakes_are_told_at_once_within_reason() -> None:
    with pytest.raises(UsageError) as caught:
        read_mapping(HEAD + "user,a,x,,2026-01-01,\n" * 50, "m.csv")
    assert str(caught.value).startswith("50 mistake(s)")
    assert len(str(caught.value).splitlines()) == SHOWN + 2


def test_another_file_is_told_from_a_mapping() -> None:
    with pytest.raises(UsageError, match="line 1: the first line must be kind,name"):
        read_mapping("a,b,c\n1,2,3\n", "m.csv")
    with pytest.raises(UsageError, match="is this the right file"):
        read_mapping(HEAD + "#\n" * (MAX_ROWS + 2), "m.csv")


def test_an_empty_mapping_places_nobody() -> None:
    assert read_mapping("", "m.csv").place("a", "b", "2026-01-01") == Placed("b")


@given(st.text(alphabet='tenam,-0126\n"# b', max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    for content in (text, HEAD + text):
        try:
            read_mapping(content, "m.csv").place("a", None, "2026-01-01")
        except UsageError:
            pass


_names = st.sampled_from("abcde")


@given(st.lists(st.tuples(_names, _names, st.integers(1, 28)), max_size=12))
def test_whatever_is_accepted_has_a_top_on_every_day(edges: list[tuple[str, str, int]]) -> None:
    rows = "".join(f"team,{name},{above},,2026-01-{day:02},\n" for name, above, day in edges)
    rows += "".join(f"team,{name},,CC,2025-01-01,\n" for name in "abcde")
    try:
        mapping = read_mapping(HEAD + rows, "m.csv")
    except UsageError:
        return
    for day in range(1, 29):
        for name in "abcde":
            assert mapping.place("t", name, f"2026-01-{day:02}").cost_centre == "CC"
