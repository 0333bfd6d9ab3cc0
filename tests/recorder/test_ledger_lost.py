"""A ledger that is lost again and again, where its folder is gone: the recorder tries again at growing distances, and not past its end."""

from __future__ import annotations

import itertools
import logging
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamgauge.errors import CouldNotRun
from streamgauge.recorder.recording import RETRY_SECONDS, Recording
from streamgauge.sinks.ledger import LedgerSettings
from streamgauge.spool import SpoolSettings, SpoolWriter, find_workers
from tests.recorder.driving import account
from tests.spool.made import exchange, until

QUICK = SpoolSettings(batch_seconds=0.001)


class Lost:
    """A recording whose ledger's folder is deleted once it has a row."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "ledger"
        self.ledger = self.folder / "ledger.db"
        self.recording = Recording(str(tmp_path / "spool"), LedgerSettings(str(self.ledger), 0.01, busy_seconds=0.02))
        self.error: CouldNotRun | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self.writer = SpoolWriter(tmp_path / "spool", QUICK, "w0")
        exchange(self.writer, "old")
        until(lambda: self.recording.summary()["rows"] == 1)
        shutil.rmtree(self.folder)
        exchange(self.writer, "new")

    def _run(self) -> None:
        try:
            self.recording.run()
        except CouldNotRun as error:
            self.error = error

    def end(self, seconds: float) -> None:
        """Have it finish, within ``seconds``."""
        assert self.writer.close()
        self.recording.stop(seconds)
        self._thread.join(seconds + 10)
        assert not self._thread.is_alive()


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.DEBUG):
        yield


def attempts(caplog: pytest.LogCaptureFixture) -> list[float]:
    """When the ledger was tried in vain."""
    return [record.created for record in caplog.records if "is tried again" in record.message]


def test_each_attempt_waits_longer_than_the_one_before_and_the_loss_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lost = Lost(tmp_path)
    until(lambda: len(attempts(caplog)) >= 4)
    lost.end(0.1)
    gaps = [later - earlier for earlier, later in itertools.pairwise(attempts(caplog)[:4])]
    assert all(gap >= RETRY_SECONDS[0] * 2**index * 0.9 for index, gap in enumerate(gaps))
    assert [record.levelname for record in caplog.records if record.levelno > logging.INFO] == ["ERROR", "CRITICAL"]


def test_when_the_folder_is_back_everything_since_is_recorded_and_what_was_before_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lost = Lost(tmp_path)
    until(lambda: attempts(caplog))
    while len(attempts(caplog)) < 3:
        assert "cannot be written" in lost.recording.health().reasons[-1]
    lost.folder.mkdir()
    exchange(lost.writer, "newer")
    until(lambda: lost.recording.summary()["rows"] == 2)
    assert lost.recording.summary()["ledger"]["writable"]
    lost.end(10.0)
    assert lost.error is None
    found = account(lost.ledger)
    assert found.outcomes == {"new": "completed", "newer": "completed"}
    assert (found.seen, found.unmeasured, found.finished) == (3, {"ledger_set_aside": 1}, True)
    assert any(record.message == f"recording to {lost.ledger}" for record in caplog.records)


def test_at_its_end_it_gives_up_in_time_and_leaves_the_spool_to_the_next_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lost = Lost(tmp_path)
    until(lambda: attempts(caplog))
    before = time.monotonic()
    lost.end(0.5)
    assert time.monotonic() - before < 5.0
    assert lost.error is not None
    assert "the spool keeps what is missing" in str(lost.error)
    assert find_workers(tmp_path / "spool") != []
    lost.folder.mkdir()
    after = Recording(str(tmp_path / "spool"), LedgerSettings(str(lost.ledger), 0.01))
    after.stop(10.0)
    after.run()
    found = account(lost.ledger)
    assert found.outcomes["new"] == "completed"
    assert found.adds_up
    assert found.finished
