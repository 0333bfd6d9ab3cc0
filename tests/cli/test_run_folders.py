"""Folders of earlier runs: old ones go, what is young, in use, somebody's or something else stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamgauge import lock_file
from streamgauge.cli.run_folders import PREFIX, new_folder, remove_old

OLD, NOW = 1_000_000.0, 2_000_000.0


def made(directory: Path, name: str, *files: str, at: float = OLD) -> Path:
    folder = directory / (PREFIX + name)
    folder.mkdir()
    for file in ("ledger.db", "ledger.db.lock", *files):
        (folder / file).write_text(file)
        os.utime(folder / file, (at, at))
    (folder / "ledger.db.spool").mkdir()
    for path in (folder / "ledger.db.spool", folder):
        os.utime(path, (at, at))
    return folder


def test_only_old_folders_of_runs_that_nobody_uses_are_removed(tmp_path: Path) -> None:
    old, young, used, more = (made(tmp_path, name) for name in ("old", "young", "used", "more"))
    os.utime(young / "ledger.db", (NOW, NOW))
    (more / "notes.txt").touch()
    os.utime(more, (OLD, OLD))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / f"{PREFIX}link").symlink_to(elsewhere)
    (tmp_path / f"{PREFIX}file").touch()
    lock = lock_file.take(used / "ledger.db.lock")
    os.utime(used / "ledger.db.lock", (OLD, OLD))
    remove_old(tmp_path, NOW - 1)
    os.close(lock)
    assert not old.exists()
    assert {path.name.removeprefix(PREFIX) for path in tmp_path.iterdir()} == {"young", "used", "more", "elsewhere", "link", "file"}


def test_a_new_run_tidies_up_where_it_puts_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    old = made(tmp_path, "old")
    folder = new_folder()
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    assert folder.name.startswith(PREFIX)
    assert not old.exists()
