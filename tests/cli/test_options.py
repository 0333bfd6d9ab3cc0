from __future__ import annotations

import pytest

from streamgauge.__main__ import run
from streamgauge.cli.options import ListFormat, ReportFormat, ShowFormat
from streamgauge.reports.dimensions import DIMENSIONS


def test_the_help_of_by_names_every_dimension(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    run(["report", "latency", "--help"])
    shown = capsys.readouterr().out
    assert [name for name in DIMENSIONS if name not in shown] == []


def test_everything_can_be_written_as_a_table_first() -> None:
    assert [next(iter(kind)) for kind in (ReportFormat, ListFormat, ShowFormat)] == ["table"] * 3
