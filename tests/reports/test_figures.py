from __future__ import annotations

import typing

import msgspec

from streamgauge.records import Measurement, Outcome
from streamgauge.reports.figures import FIGURES, OUTCOMES


def test_every_time_and_token_column_of_the_ledger_belongs_to_a_defined_figure() -> None:
    defined = {column for figure in FIGURES.values() for column in figure.columns}
    numbers = [f.name for f in msgspec.structs.fields(Measurement) if f.type == float | None or f.name.endswith("_tokens")]
    assert [name for name in numbers if name not in defined and name not in ("temperature", "max_tokens")] == []


def test_a_figure_comes_only_from_columns_that_exist() -> None:
    columns = {f.name for f in msgspec.structs.fields(Measurement)}
    unknown = {c for figure in FIGURES.values() for c in figure.columns if figure.name not in ("n", "share")} - columns
    assert unknown == set()


def test_every_outcome_is_explained() -> None:
    assert set(OUTCOMES) == set(typing.get_args(Outcome))


def test_values_are_shown_in_the_unit_of_the_figure() -> None:
    assert FIGURES["tpot"].show(0.0182) == "18.2"
    assert FIGURES["ttft"].show(1.2345) == "1.234"
    assert FIGURES["input_tokens"].show(12_345) == "12,345"
    assert FIGURES["ttft"].say(1.5) == "1.500 s"


def test_an_absent_value_is_a_dash_and_never_zero() -> None:
    assert FIGURES["ttft"].show(None) == "-"
    assert FIGURES["ttft"].show(0.0) == "0.000"
