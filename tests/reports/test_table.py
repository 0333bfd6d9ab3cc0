from __future__ import annotations

from streamgauge.reports.table import Column, Table, lines, markdown


def texts(table: Table, width: int | None) -> list[str]:
    return [line.text for line in lines(table, width)]


def small() -> Table:
    columns = [
        Column("model", key=True),
        Column("mode"),
        Column("n", right=True, over="TTFT, s"),
        Column("p50", right=True, over="TTFT, s"),
    ]
    return Table(columns, [["nova", "stream", "1,200", "0.423"], ["claude", "stream", "7", "1.5~"]], "What was felt", ["a note"])


def test_columns_stand_beside_one_another_where_they_fit() -> None:
    assert texts(small(), 80) == [
        "What was felt",
        "                      TTFT, s",
        "model   mode         n    p50",
        "─────────────────────────────",
        "nova    stream   1,200  0.423",
        "claude  stream       7   1.5~",
        "a note",
    ]


def test_in_a_pipe_there_is_no_rule_and_no_limit() -> None:
    wide = small()
    wide.rows[0][0] = "n" * 300
    plain = texts(wide, None)
    assert not any("─" in line for line in plain)
    assert any("n" * 300 in line for line in plain)


def test_on_a_narrow_screen_the_key_gets_a_line_of_its_own() -> None:
    found = lines(small(), 26)
    assert [line.text for line in found if line.style == "key"] == ["nova", "claude"]
    assert next(line.text for line in found if line.style == "heading") == "model"  # what the key is stands above it
    assert all(len(line.text) <= 26 for line in found)


def test_a_key_that_stays_the_same_is_written_once() -> None:
    table = small()
    table.rows[1][0] = "nova"
    assert [line.text for line in lines(table, 26) if line.style == "key"] == ["nova"]


def test_only_columns_that_allow_it_are_cut_and_only_where_there_is_no_room() -> None:
    columns = [Column("id", key=True, cut=4), Column("model", key=True), Column("value")]
    table = Table(columns, [["abcdefgh", "w" * 40, "x"]])
    assert "abcdefgh" in texts(table, 80)[-1]
    narrow = "\n".join(texts(table, 30))
    assert "abcd" in narrow
    assert "abcde" not in narrow
    assert narrow.count("w") == 40


def test_a_table_without_keys_is_never_torn_apart() -> None:
    table = Table([Column("a"), Column("b")], [["x" * 30, "y" * 30]])
    assert texts(table, 20)[-1] == f"{'x' * 30} {'y' * 30}"


def test_a_long_note_is_folded_on_a_screen() -> None:
    table = small()
    table.notes = ["word " * 30]
    assert all(len(line) <= 60 for line in texts(table, 60))


def test_markdown_joins_both_headings_and_escapes_bars() -> None:
    table = small()
    table.rows[0][0] = "a|b"
    assert markdown(table)[2:5] == ["| model | mode | TTFT n | TTFT p50, s |", "|---|---|---:|---:|", "| a\\|b | stream | 1,200 | 0.423 |"]
    assert markdown(table)[-1] == "- a note"
