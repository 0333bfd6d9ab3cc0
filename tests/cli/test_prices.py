from __future__ import annotations

import io
import json
from decimal import Decimal
from pathlib import Path

import pytest

from streamgauge.__main__ import run
from streamgauge.pricing.book import read_book
from streamgauge.pricing.rate import COLUMNS
from tests.pricing.worked import cases

CASES = cases()

BOOK = """\
model,region,scope,tier,context_gt,kind,usd,effective_from,effective_to
my.model,us-east-1,regional,standard,0,input,2.00,2026-01-01,2026-07-01
my.model,us-east-1,regional,standard,0,input,1.50,2026-07-01,
my.model,us-east-1,regional,standard,0,output,10.00,2026-01-01,
"""


@pytest.fixture
def own(tmp_path: Path) -> str:
    path = tmp_path / "own.csv"
    path.write_text(BOOK, encoding="utf-8")
    return str(path)


def _ask(*questions: object) -> str:
    return "".join(f"{question if isinstance(question, str) else json.dumps(question)}\n" for question in questions)


def _quote(tmp_path: Path, text: str, *options: str) -> int:
    path = tmp_path / "questions.jsonl"
    path.write_text(text, encoding="utf-8")
    return run(["prices", "quote", str(path), *options])


def test_quote_answers_every_worked_case_to_the_last_digit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _quote(tmp_path, _ask(*(case.question for case in CASES))) == 1
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(answers) == len(CASES)
    told = {case.case: (answer["cost_usd"], answer["cost_status"]) for case, answer in zip(CASES, answers, strict=True)}
    assert told == {case.case: (case.usd, case.status) for case in CASES}
    for answer in answers:
        if answer["cost_usd"] is not None:
            assert sum((Decimal(part["cost_usd"]) for part in answer["components"]), Decimal(0)) == Decimal(answer["cost_usd"])


def test_quote_reads_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], own: str) -> None:
    question = {"model": "my.model", "region": "us-east-1", "at": "2026-03-01", "usage": {"input_tokens": 1000, "output_tokens": 100}}
    monkeypatch.setattr("sys.stdin", io.StringIO(_ask(question, "", {**question, "at": "2026-07-01", "id": "b"})))
    assert run(["prices", "quote", "--book", own]) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (first["cost_usd"], first["line"], "id" in first) == ("0.003", 1, False)  # 1000*2.00 + 100*10.00 = 3000 millionths
    assert (second["cost_usd"], second["line"], second["id"]) == ("0.0025", 3, "b")  # 1000*1.50 + 100*10.00 = 2500 millionths
    assert first["matched"]["rule"] == "exact"


def test_quote_leaves_what_has_no_price_without_one_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str], own: str) -> None:
    assert _quote(tmp_path, _ask({"model": "my.model", "region": "us-west-2", "usage": {"input_tokens": 1}}), "--book", own) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["cost_usd"], answer["cost_status"], answer["components"]) == (None, "unpriced", [])
    assert answer["why"] == "my.model has no price in us-west-2"


def test_quote_tells_every_bad_line_with_its_number_and_answers_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], own: str
) -> None:
    good = {"model": "my.model", "region": "us-east-1", "at": "2026-03-01", "usage": {"input_tokens": 1000}}
    assert _quote(tmp_path, _ask("{", good, {"model": "my.model"}), "--book", own) == 2
    shown = capsys.readouterr()
    assert [json.loads(line)["line"] for line in shown.out.splitlines()] == [2]
    assert "2 line(s) are no questions" in shown.err
    assert "questions.jsonl:1: is no JSON" in shown.err
    assert "questions.jsonl:3: usage is missing" in shown.err


def test_quote_under_a_contract_has_both_amounts(tmp_path: Path, capsys: pytest.CaptureFixture[str], own: str) -> None:
    (tmp_path / "contract.yaml").write_text("contract:\n- {model: my.model, percent: 10, approver: Kim}\n", encoding="utf-8")
    question = {"model": "my.model", "region": "us-east-1", "at": "2026-03-01", "usage": {"input_tokens": 1000}}
    assert _quote(tmp_path, _ask(question), "--book", own, "--contract", str(tmp_path / "contract.yaml")) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["cost_usd"], answer["list_usd"]) == ("0.0018", "0.002")  # 1000*2.00 = 2000 millionths; less a tenth, 1800


def test_quote_without_the_file_or_with_a_bad_book_says_which(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prices", "quote", str(tmp_path / "none.jsonl")]) == 2
    assert "none.jsonl cannot be read" in capsys.readouterr().err
    (tmp_path / "b.csv").write_text(BOOK + "my.model,us-east-1,regional,standard,0,input,3.00,2026-08-01,\n", encoding="utf-8")
    assert _quote(tmp_path, "", "--book", str(tmp_path / "b.csv")) == 2
    assert "b.csv:5: effective_from: overlaps line 3" in capsys.readouterr().err


def test_list_shows_the_prices_that_hold_at_a_time(capsys: pytest.CaptureFixture[str], own: str) -> None:
    assert run(["prices", "list", "--book", own, "--at", "2026-03-01"]) == 0
    shown = capsys.readouterr().out
    assert "2 of 3 prices" in shown
    assert "2.00" in shown
    assert "1.50" not in shown


def test_list_writes_a_book_file_again(capsys: pytest.CaptureFixture[str], own: str) -> None:
    assert run(["prices", "list", "--book", own, "--all", "--format", "csv"]) == 0
    again = read_book(capsys.readouterr().out, "again.csv")
    assert [(rate.usd, rate.start, rate.end) for rate in again.rates] == [(r.usd, r.start, r.end) for r in read_book(BOOK, "own.csv").rates]


def test_list_writes_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prices", "list", "--model", "us.amazon.nova-micro-v1:0", "--region", "us-east-1", "--format", "jsonl"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {record["model"] for record in records} == {"amazon.nova-micro-v1:0"}
    assert all(tuple(record) == COLUMNS for record in records)


def test_list_of_nothing_is_not_enough_data(capsys: pytest.CaptureFixture[str], own: str) -> None:
    assert run(["prices", "list", "--book", own, "--model", "none"]) == 3
    assert "no price in own-" in capsys.readouterr().out


def test_a_time_that_is_none_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prices", "list", "--at", "soon"]) == 2
    assert "--at 'soon' is no date" in capsys.readouterr().err


def test_diff_tells_what_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str], own: str) -> None:
    (tmp_path / "new.csv").write_text(BOOK.replace("10.00", "12.00"), encoding="utf-8")
    assert run(["prices", "diff", own, str(tmp_path / "new.csv")]) == 1
    shown = capsys.readouterr().out
    assert "1 changed" in shown
    assert "+20.0" in shown
    assert run(["prices", "diff", own, own]) == 0
    assert "no difference" in capsys.readouterr().out
    assert run(["prices", "diff", "shipped", "shipped"]) == 0


def test_check_finds_gaps_and_prices_that_nobody_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "own.csv"
    text = "model,region,kind,usd,effective_from,effective_to,verified_at\nmy.model,us-east-1,input,1,,2026-01-01,2026-11-01\n"
    path.write_text(text + "my.model,us-east-1,input,2,2026-02-01,,2026-01-01\n", encoding="utf-8")
    assert run(["prices", "check", "--book", str(path), "--at", "2026-11-25", "--no-compare"]) == 1
    shown = capsys.readouterr().out
    assert "2 rows, 1 models" in shown
    assert "known from: manual 2" in shown
    assert "gaps between prices: 1" in shown
    assert "from 2026-01-01 to 2026-02-01" in shown
    assert "not looked at for 180 days: 1" in shown
    assert "own.csv:3: verified_at: 2026-01-01" in shown


def test_check_is_content_with_a_book_that_was_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "own.csv"
    path.write_text("model,region,kind,usd,verified_at\nmy.model,us-east-1,input,1,2026-11-01\n", encoding="utf-8")
    assert run(["prices", "check", "--book", str(path), "--at", "2026-11-25", "--no-compare"]) == 0
    assert "gaps between prices: none" in capsys.readouterr().out


def test_check_tells_where_an_installed_table_says_otherwise(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prices", "check", "--at", "2026-11-25"]) == 1
    shown = capsys.readouterr().out
    assert "says otherwise, of" in shown
    assert "us.anthropic.claude-3-5-sonnet-20240620-v1:0 standard input in us-east-1: it says 3, the book 6" in shown
