"""Settings that are read again are those of a whole file, and what has changed is told by name."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from streamgauge.config import Config, load
from streamgauge.config.reread import SETTLED_SECONDS, changed_keys, reread
from streamgauge.errors import UsageError

WHOLE = "targets:\n  regions: [us-east-1]\nrelay:\n  signing: passthrough\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "s.yaml"
    path.write_text(WHOLE)
    return path


def nothing(_: float) -> None:
    """Time passes, and nobody writes."""


def again(file: Path, meanwhile: Callable[[float], None] = nothing) -> Config:
    return reread(file, lambda: load(file, {}), meanwhile)


def test_a_whole_file_is_taken_after_a_moment(file: Path) -> None:
    waited: list[float] = []
    assert again(file, waited.append) == load(file, {})
    assert waited == [SETTLED_SECONDS]
    assert reread(None, Config, waited.append) == Config()
    assert waited == [SETTLED_SECONDS]


@pytest.mark.parametrize("content", ["", "\n", "# all of it\n# is a comment\n", "---\n"])
def test_a_file_that_sets_nothing_is_refused(file: Path, content: str) -> None:
    file.write_text(content)
    with pytest.raises(UsageError, match="sets nothing"):
        again(file)


@pytest.mark.parametrize("written", ["", WHOLE[:34], WHOLE + "workers: 2\n", WHOLE.replace("east", "west")])
def test_a_file_that_is_just_being_written_is_refused(file: Path, written: str) -> None:
    with pytest.raises(UsageError, match="is being written"):
        again(file, partial(overwritten, file, written))


def overwritten(file: Path, text: str, _: float) -> None:
    file.write_text(text)


def test_a_file_that_changes_while_it_is_read_is_refused(file: Path) -> None:
    def load_late() -> Config:
        file.write_text(WHOLE[:20])
        return Config()

    with pytest.raises(UsageError, match="is being written"):
        reread(file, load_late, nothing)


def test_a_file_that_was_touched_or_changed_places_is_refused(file: Path) -> None:
    with pytest.raises(UsageError, match="is being written"):
        again(file, lambda _: os.utime(file, ns=(1, 1)))
    other = file.with_name("other")
    other.write_text(WHOLE)
    with pytest.raises(UsageError, match="is being written"):
        again(file, partial(moved, other, file))


def moved(source: Path, target: Path, _: float) -> None:
    os.utime(source, ns=(target.stat().st_atime_ns, target.stat().st_mtime_ns))
    source.rename(target)


def test_a_file_that_has_gone_is_named(file: Path) -> None:
    file.unlink()
    with pytest.raises(UsageError, match=r"s\.yaml cannot be read \(No such file"):
        again(file)


def test_what_has_changed_is_told_by_name_only() -> None:
    before = Config()
    relay = dataclasses.replace(before.relay, signing="passthrough")
    after = dataclasses.replace(before, relay=relay, admin_token="hunter2")
    assert sorted(changed_keys(before, after)) == ["admin_token", "relay.signing"]
    assert changed_keys(before, before) == []
