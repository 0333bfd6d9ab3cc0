from __future__ import annotations

import csv

import msgspec

from streamgauge.reports.page import Page, as_json, as_markdown, as_text, csv_lines, json_lines
from streamgauge.reports.table import Column, Table


def page() -> Page:
    table = Table([Column("team"), Column("n", right=True)], [["search", "3"]], "Teams")
    return Page("a head " * 20, [table, ["a sentence"]], [{"team": "search", "n": 3}], {"since": None}, [["TTFT", "picture"]])


def test_text_is_folded_for_a_screen_and_not_for_a_pipe() -> None:
    assert max(len(line.text) for line in as_text(page(), 60)) <= 60
    assert as_text(page(), None)[0].text == "a head " * 20
    assert [line.text for line in as_text(page(), None)][-2:] == ["TTFT", "picture"]


def test_markdown_has_tables_and_pictures_as_code() -> None:
    text = "\n".join(as_markdown(page()))
    assert "### Teams" in text
    assert "| search | 3 |" in text
    assert "```text\npicture\n```" in text


def test_json_holds_the_summary_and_the_groups() -> None:
    assert msgspec.json.decode(as_json(page())) == {"since": None, "groups": [{"team": "search", "n": 3}]}


def test_json_lines_are_one_object_a_line() -> None:
    assert list(json_lines([{"a": None}, {"a": 1.5}])) == ['{"a":null}', '{"a":1.5}']


def test_csv_is_read_back_as_it_was_meant() -> None:
    records = [{"id": 'a"b,c', "ok": True, "none": None, "more": {"x": 1}}, {"id": "line\nbreak", "ok": False, "none": None, "more": []}]
    rows = list(csv.reader("\r\n".join(csv_lines(records, list(records[0]))).splitlines(keepends=True)))
    assert rows == [["id", "ok", "none", "more"], ['a"b,c', "true", "", '{"x":1}'], ["line\nbreak", "false", "", "[]"]]
    assert list(csv_lines([], ["id", "ok"])) == ["id,ok"]
