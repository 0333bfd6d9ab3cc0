"""Folders of earlier runs: old ones go, what is young, in use, somebody's or something else stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamgauge import lock_file
from streamgauge.cli.run_folders import PREFIX, PRIVATE_PREFIX, new_folder, private_folder, remove_left, remove_old

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


def keys(directory: Path, name: str, *files: str) -> Path:
    folder = directory / (PRIVATE_PREFIX + name)
    folder.mkdir(mode=0o700)
    for file in ("lock", "key.pem", *files):
        (folder / file).write_text(file)
        os.utime(folder / file, (OLD, OLD))
    os.utime(folder, (OLD, OLD))
    return folder


def test_keys_of_a_run_that_was_killed_are_removed_by_the_next_one_and_those_of_one_that_lives_stay(tmp_path: Path) -> None:
    killed, alive, young, more = (keys(tmp_path, name) for name in ("killed", "alive", "young", "more"))
    os.utime(young / "key.pem", (NOW, NOW))
    (more / "notes.txt").touch()
    os.utime(more, (OLD, OLD))
    lock = lock_file.take(alive / "lock")
    os.utime(alive / "lock", (OLD, OLD))
    remove_left(tmp_path, NOW - 1)
    os.close(lock)
    assert not killed.exists()
    assert {path.name.removeprefix(PRIVATE_PREFIX) for path in tmp_path.iterdir()} == {"alive", "young", "more"}


def test_the_folder_of_a_runs_keys_is_locked_and_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left = keys(tmp_path, "left")
    with private_folder() as folder:
        assert not left.exists()
        assert folder.stat().st_mode & 0o077 == 0
        with pytest.raises(lock_file.Held):
            lock_file.take(folder / "lock")
    assert list(tmp_path.iterdir()) == []


def test_a_new_run_tidies_up_where_it_puts_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    old = made(tmp_path, "old")
    folder = new_folder()
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    assert folder.name.startswith(PREFIX)
    assert not old.exists()
