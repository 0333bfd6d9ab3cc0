from __future__ import annotations

from pathlib import Path

import pytest

from streamgauge.errors import CouldNotRun
from streamgauge.spool.layout import REASONS, prepare_directory, segment_numbers, segment_path


def test_segments_are_listed_in_order_and_other_files_are_not_segments(tmp_path: Path) -> None:
    for number in (2, 10, 100_000_000):
        segment_path(tmp_path, number).touch()
    (tmp_path / "counters").touch()
    for foreign in ("x.seg", "1.seg", "000000001.seg", "\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661.seg", "00000001.seg.bak"):
        (tmp_path / foreign).touch()
    assert segment_numbers(tmp_path) == [2, 10, 100_000_000]


def test_a_directory_that_is_gone_has_no_segments(tmp_path: Path) -> None:
    assert segment_numbers(tmp_path / "gone") == []


def test_the_spool_directory_is_made_for_this_user_alone(tmp_path: Path) -> None:
    made = prepare_directory(tmp_path / "a" / "spool")
    assert made.stat().st_mode & 0o777 == 0o700
    assert prepare_directory(made) == made


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CouldNotRun, match="file/spool"):
        prepare_directory(tmp_path / "file" / "spool")


def test_the_order_of_reasons_is_the_order_of_counters_on_disk_and_may_only_grow_at_its_end() -> None:
    assert REASONS[:6] == ("spool_full", "writer_behind", "disk_full", "encode_failed", "measuring_failed", "other")
